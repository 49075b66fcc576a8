"""Drives Python's ftplib: ftplib_client.py SPECIFICATION

The specification is JSON: host, port, user, password, passive, security, authority, steps. A step is a list: the name of a function
below, and its arguments. What a function returns is printed, and so is the dialogue.
"""
import ftplib
import json
import os
import ssl
import sys


def mkdir(ftp, name):
    ftp.mkd(name)


def put(ftp, file, name):
    with open(file, 'rb') as source:
        ftp.storbinary(f'STOR {name}', source)


def get(ftp, name, file):
    with open(file, 'wb') as target:
        ftp.retrbinary(f'RETR {name}', target.write)


def resume(ftp, name, file):
    with open(file, 'ab') as target:
        ftp.retrbinary(f'RETR {name}', target.write, rest=os.path.getsize(file))


def names(ftp):
    return '\n'.join(ftp.nlst())


def long_list(ftp):
    lines = []
    ftp.retrlines('LIST', lines.append)
    return '\n'.join(lines)


def machine(ftp):
    return '\n'.join(f'{facts["type"]} {facts.get("size", "")} {name}' for name, facts in ftp.mlsd())


def put_rest(ftp, file, name):
    """Goes on with an upload where the server says that it ended."""
    ftp.voidcmd('TYPE I')
    rest = ftp.size(name)
    with open(file, 'rb') as source:
        source.seek(rest)
        ftp.storbinary(f'STOR {name}', source, rest=rest)


def rename(ftp, old, new):
    ftp.rename(old, new)


def remove(ftp, name):
    ftp.delete(name)


def rmdir(ftp, name):
    ftp.rmd(name)


def size(ftp, name):
    ftp.voidcmd('TYPE I')
    return str(ftp.size(name))


def put_lines(ftp, file, name):
    with open(file, 'rb') as source:
        ftp.storlines(f'STOR {name}', source)


def get_lines(ftp, name):
    lines = []
    ftp.retrlines(f'RETR {name}', lines.append)
    return '\n'.join(lines)


def abort(ftp):
    """Sends ABOR as urgent data and reads both replies, the transfer's and its own; then asks for a third."""
    return [ftp.abort(), ftp.getmultiline(), ftp.sendcmd('NOOP')]


def abort_download(ftp, name, count):
    """Reads some bytes, and aborts while the server is still sending."""
    ftp.voidcmd('TYPE I')
    with ftp.transfercmd(f'RETR {name}') as data:
        data.recv(int(count))
        return 'aborted: ' + ' '.join(reply[:3] for reply in abort(ftp))


def abort_upload(ftp, name, count):
    """Sends some bytes, and aborts with the data connection still open."""
    ftp.voidcmd('TYPE I')
    with ftp.transfercmd(f'STOR {name}') as data:
        data.sendall(b'x' * int(count))
        return 'aborted: ' + ' '.join(reply[:3] for reply in abort(ftp))


def read_piece(ftp, name, start, count):
    """Reads a piece as fsspec does: REST and RETR, closes the data connection when it has enough, then ABOR."""
    ftp.voidcmd('TYPE I')
    piece = b''
    with ftp.transfercmd(f'RETR {name}', rest=int(start)) as data:
        while len(piece) < int(count):
            piece += data.recv(int(count) - len(piece))
    abort(ftp)
    return f'piece: {piece.decode()}'


class ImplicitTls(ftplib.FTP_TLS):
    """TLS from the first byte on, which ftplib itself does not have."""

    _sock = None

    @property
    def sock(self):
        return self._sock

    @sock.setter
    def sock(self, value):
        if value is not None and not isinstance(value, ssl.SSLSocket):
            value = self.context.wrap_socket(value, server_hostname=self.host)
        self._sock = value


def client(spec):
    """A client of the kind that the specification asks for; TLS checks the server's certificate and name."""
    if spec['security'] == 'plain':
        return ftplib.FTP(timeout=20, encoding='utf-8')
    context = ssl.create_default_context(cafile=spec['authority'])
    kind = ImplicitTls if spec['security'] == 'implicit' else ftplib.FTP_TLS
    return kind(context=context, timeout=20, encoding='utf-8')


def main():
    spec = json.loads(sys.argv[1])
    sys.stdout.reconfigure(encoding='utf-8')
    ftp = client(spec)
    ftp.set_debuglevel(1)
    ftp.connect(spec['host'], spec['port'])
    ftp.login(spec['user'], spec['password'])
    if spec['security'] != 'plain':
        ftp.prot_p()
    ftp.set_pasv(spec['passive'])
    for function, *about in spec['steps']:
        answer = globals()[function](ftp, *about)
        if answer is not None:
            print(answer)
    ftp.quit()


main()
