import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { startFerry, USER } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';

/** Node cannot send urgent data, Python can. */
const PYTHON = ['python3', 'python'].find((name) => spawnSync(name, ['-c', 'import ftplib']).status === 0);

/** Begins a download, aborts it in one of the ways of real clients, and prints the code of every reply. */
const PROGRAM = `
import ftplib, socket, sys
port, user, password, way = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
ftp = ftplib.FTP()
ftp.connect('127.0.0.1', port, timeout=10)
ftp.login(user, password)
ftp.voidcmd('TYPE I')
data = ftp.transfercmd('RETR big')
data.recv(1000)
if way == 'ftplib':
    print(ftp.abort()[:3])
else:
    if way == 'lftp':
        ftp.sock.sendall(b'\\xff\\xf4\\xff\\xf2', socket.MSG_OOB)
        ftp.sock.sendall(b'ABOR\\r\\n')
    else:
        ftp.sock.sendall(b'\\xff\\xf4')
        ftp.sock.sendall(b'\\xff', socket.MSG_OOB)
        ftp.sock.sendall(b'\\xf2ABOR\\r\\n')
    print(ftp.getmultiline()[:3])
print(ftp.getmultiline()[:3])
print(ftp.sendcmd('PWD'))
data.close()
print(ftp.quit()[:3])
`;

describe.skipIf(PYTHON === undefined)('urgent data (skipped where there is no Python)', () => {
  test.each([
    ['ftplib', 'Python, whose LF is the urgent byte'],
    ['lftp', 'lftp, whose DM is the urgent byte'],
    ['bsd', 'BSD ftp, whose second IAC is the urgent byte'],
  ])('an urgent ABOR in the manner of %s acts: %s', async (way, _) => {
    await using ferry = await startFerry();
    await putObject(ferry, 'big', Buffer.alloc(24 * 2 ** 20));
    const child = spawn(PYTHON ?? '', ['-c', PROGRAM, String(ferry.port), USER.name, USER.password, way]);
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    expect(err).toBe('');
    expect(out.split('\n')).toEqual(['426', '226', '257 "/" is the current directory.', '221', '']);
  });
});
