"""Uploads of a client that never reads from its data connections: PORT USER PASSWORD VERSION ENDING COUNT BYTES.

Prints one line for each: the code of its last reply.
"""
import ftplib
import socket
import ssl
import struct
import sys

port, user, password, version, ending, count, size = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
ftp = ftplib.FTP_TLS(context=context)
ftp.connect("127.0.0.1", int(port))
ftp.login(user, password)
ftp.prot_p()
ftp.voidcmd("TYPE I")
body = bytes(n % 251 for n in range(int(size)))
for n in range(int(count)):
    data = ftp.transfercmd(f"STOR file-{n}")
    data.sendall(body)
    if ending == "close-notify":
        # Sends it, and does not wait for the server's.
        data.setblocking(False)
        try:
            data.unwrap()
        except ssl.SSLWantReadError:
            pass
    elif ending == "reset":
        data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    data.close()
    try:
        print(ftp.voidresp()[:3])
    except ftplib.Error as error:
        print(str(error)[:3])
ftp.quit()
