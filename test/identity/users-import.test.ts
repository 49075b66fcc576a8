import { describe, expect, test } from 'vitest';
import { parseUsers } from '../../src/identity/users-document.ts';
import { editUsers } from '../../src/identity/users-edit.ts';
import { type ImportFormat, importUsers } from '../../src/identity/users-import.ts';
import { readUsers, UsersError } from '../../src/identity/users-text.ts';
import { AUTH_USER_FILE, HASHES, PURE_PASSWD, REFUSED_HASHES } from './made-elsewhere.ts';

const HASH = HASHES[0]?.[1] ?? '';
const YESCRYPT = REFUSED_HASHES[0]?.[1] ?? '';

const take = (text: string, format: ImportFormat, home?: string) =>
  importUsers(text, format, { home, permissions: 'full' });

const mount = (prefix: string) => [{ path: '/', prefix, permissions: 'full' }];

describe("ProFTPD's AuthUserFile", () => {
  test('gives names, hashes, and home directories as prefixes; MD5-crypt is refused in one line', () => {
    const { users, refused, notes } = take(AUTH_USER_FILE, 'proftpd', '/srv/ftp');
    expect([...users.keys()]).toEqual(['pro-default', 'pro-sha512']);
    expect(users.get('pro-default')).toEqual({ hash: HASH, mounts: mount('pro') });
    expect(users.get('pro-sha512')?.mounts).toEqual(mount('pro/sha512'));
    expect(refused).toEqual(['pro-md5: MD5-crypt ($1$) is too weak; give the user a new password']);
    expect(notes).toEqual([]);
  });

  test('gives names as prefixes where no home directory is named', () => {
    expect(take(AUTH_USER_FILE, 'proftpd').users.get('pro-default')?.mounts).toEqual(mount('pro-default'));
  });

  test('a home directory elsewhere is refused, one that only begins alike, too', () => {
    for (const home of ['/home', '/srv/ftp/pr', '/srv/ftp/pro/x'])
      expect(take(`anna:${HASH}:1:1::/srv/ftp/pro:/bin/false`, 'proftpd', home)).toMatchObject({
        refused: [`anna: the home directory /srv/ftp/pro is not in ${home}`],
      });
  });
});

describe("Pure-FTPd's passwd file", () => {
  test('gives limits and networks, too', () => {
    const { users, refused } = take(PURE_PASSWD, 'pure-ftpd', '/srv/ftp/');
    expect(refused).toEqual([]);
    expect(users.get('pure')).toEqual({
      hash: expect.stringMatching(/^\$argon2id\$v=19\$m=8192,t=511,/),
      mounts: mount('pure'),
      limits: { sessions: 5, uploadRate: '50KiB', downloadRate: '100KiB' },
      networks: ['192.0.2.0/24', '198.51.100.7'],
    });
  });

  test.each([
    ['host names', 'ftp.example.com', '', ''],
    ['denied clients', '', '192.0.2.1', ''],
    ['times', '', '', '0900-1800'],
  ])(
    'a user who is restricted by %s is refused, since they would be less restricted here',
    (_, ...fields) => {
      const line = `anna:${HASH}:1:1::/srv/ftp/anna/./::::::::::${fields.join(':')}`;
      expect(take(line, 'pure-ftpd').refused).toEqual([
        expect.stringMatching(/^anna: restricted to what cannot/),
      ]);
    },
  );

  test('quotas that are not taken over are told', () => {
    const line = `anna:${HASH}:1:1::/srv/ftp/anna/./::::::100:1000:::::`;
    expect(take(line, 'pure-ftpd')).toMatchObject({
      refused: [],
      notes: ['anna: ratios, quotas and local addresses are not taken over'],
    });
  });
});

describe("SFTPGo's dump", () => {
  const anna = {
    username: 'anna',
    password: '$2a$10$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK',
    status: 1,
    home_dir: '/srv/sftpgo/data/anna',
    permissions: { '/': ['*'], '/in': ['list', 'upload', 'chmod'] },
    max_sessions: 2,
    upload_bandwidth: 128,
    download_bandwidth: 0,
    filters: { allowed_ip: ['192.0.2.0/24'], denied_protocols: ['SSH'] },
    filesystem: { provider: 0 },
    additional_info: 'ignored',
  };
  const dump = (...users: object[]) => take(JSON.stringify({ users, folders: [], version: 17 }), 'sftpgo');

  test('gives permissions by path, limits and networks', () => {
    expect(dump(anna).users.get('anna')).toEqual({
      hash: anna.password,
      mounts: [
        {
          path: '/',
          prefix: 'anna',
          permissions: [
            'list',
            'read',
            'write',
            'overwrite',
            'append',
            'delete',
            'remove-directory',
            'rename',
            'make-directory',
          ],
        },
      ],
      grants: [{ path: '/in', permissions: ['list', 'write'] }],
      limits: { sessions: 2, uploadRate: '128KiB' },
      networks: ['192.0.2.0/24'],
    });
  });

  test('gives bucket and prefix of users whose files are in S3 already', () => {
    const filesystem = { provider: 1, s3config: { bucket: 'old-files', key_prefix: 'customers/anna/' } };
    expect(dump({ ...anna, filesystem }).users.get('anna')?.mounts).toMatchObject([
      { path: '/', bucket: 'old-files', prefix: 'customers/anna/' },
    ]);
  });

  test.each([
    ['is disabled', { status: 0 }, 'the user is disabled'],
    ['has expired', { expiration_date: 1 }, 'the user has expired'],
    ['has files elsewhere', { filesystem: { provider: 2 } }, 'the files are neither local nor in S3'],
    ['may not use FTP', { filters: { denied_protocols: ['FTP'] } }, 'FTP is denied to the user'],
    ['may not use a password', { filters: { denied_login_methods: ['password'] } }, 'passwords are denied'],
    ['has a second factor', { filters: { totp_config: { enabled: true } } }, 'second factor'],
    ['has patterns of names', { filters: { file_patterns: [{}] } }, 'patterns of names'],
    ['has patterns of paths', { permissions: { '/': ['*'], '/a/*': ['list'] } }, 'patterns of paths'],
    ['has denied addresses', { filters: { denied_ip: ['192.0.2.1/32'] } }, 'restricted to clients'],
    ['has no password', { password: '' }, 'no password'],
    ['has a hash of yescrypt', { password: YESCRYPT }, 'yescrypt ($y$) cannot be verified here'],
    ['has an MD5 digest', { password: '{MD5}5f4dcc3b5aa765d61d8327deb882cf99' }, 'too weak'],
  ])('a user who %s is refused', (_, change, why) => {
    const { users, refused } = dump({ ...anna, ...change }, { ...anna, username: 'bert' });
    expect([...users.keys()]).toEqual(['bert']);
    expect(refused).toEqual([expect.stringContaining(`anna: `)]);
    expect(refused[0]).toContain(why);
  });

  test('what is no dump is an error', () => {
    expect(() => take('{"users": [{"name": "anna"}]}', 'sftpgo')).toThrow(SyntaxError);
    expect(() => take('users:', 'sftpgo')).toThrow(SyntaxError);
  });
});

describe('/etc/shadow', () => {
  test('gives users with SHA-crypt; yescrypt, locked and empty passwords are refused in one line each', () => {
    const text = [
      `anna:${HASH}:19000:0:99999:7:::`,
      `bert:${YESCRYPT}:19000:0:99999:7:::`,
      'root:*:19000:0:99999:7:::',
      'carl::19000:0:99999:7:::',
    ].join('\n');
    const { users, refused } = take(text, 'shadow');
    expect([...users.keys()]).toEqual(['anna']);
    expect(refused).toEqual([
      'bert: yescrypt ($y$) cannot be verified here; give the user a new password',
      'root: the password is locked; unlock it first, or give the user a new one',
      'carl: no password',
    ]);
  });
});

describe('an edit of a document', () => {
  const user = { hash: HASH, mounts: mount('anna') };
  const other = HASHES[1]?.[1] ?? '';
  const YAML = `# Partners.
users:
  # The accountant.
  anna:
    # Since 2019.
    hash: ${HASH} # to be changed
    mounts:
      - path: /
        prefix: anna
        permissions: full
  # The other one.
  bert:
    hash: ${HASH}
    mounts: [ { path: /, prefix: bert, permissions: full } ]
`;

  test('keeps comments and what it does not touch', () => {
    const edited = editUsers(YAML, new Map([['anna', other]]));
    expect(edited).toBe(YAML.replace(HASH, other));
  });

  test('adds, replaces and removes users', () => {
    const edited = editUsers(
      YAML,
      new Map<string, typeof user | undefined>([
        ['anna', undefined],
        ['0123', user],
        ['bert', user],
      ]),
    );
    expect(edited).toContain('# Partners.');
    expect(readUsers(edited).map(({ name, user: { mounts } }) => [name, mounts[0]?.prefix])).toEqual([
      ['bert', 'anna/'],
      ['0123', 'anna/'],
    ]);
    expect(readUsers(editUsers(edited, new Map([['0123', undefined]]))).map(({ name }) => name)).toEqual([
      'bert',
    ]);
  });

  test('begins a new document, and fills an empty one', () => {
    for (const text of ['', 'users:\n', 'users: {}\n'])
      expect(editUsers(text, new Map([['anna', user]]))).toMatch(/^users:\n {2}anna:\n {4}hash: /m);
  });

  test('of JSON gives JSON', () => {
    const edited = editUsers(
      JSON.stringify({ users: { anna: user } }),
      new Map([
        ['bert', user],
        ['__proto__', user],
      ]),
    );
    expect(Object.keys(JSON.parse(edited).users)).toEqual(['anna', 'bert', '__proto__']);
  });

  test('of a broken document, or one that would break it, is refused', () => {
    expect(() => editUsers('users: [', new Map([['anna', user]]))).toThrow(UsersError);
    expect(() => editUsers(YAML, new Map([['a/b', user]]))).toThrow(UsersError);
    expect(() => editUsers(YAML, new Map([['anna', YESCRYPT]]))).toThrow(UsersError);
  });
});

test('what is imported is a document of users that the server takes', () => {
  const users = [
    ...take(AUTH_USER_FILE, 'proftpd', '/srv/ftp').users,
    ...take(PURE_PASSWD, 'pure-ftpd', '/srv/ftp').users,
  ];
  const rules = {
    bucket: 'files',
    prefix: '',
    anonymous: undefined,
    objects: {
      contentType: 'extension',
      metadata: {},
      tags: {},
      storageClass: undefined,
      encryption: undefined,
      carryOver: false,
    },
    users: { allowedBuckets: [], allowedRoles: [] },
  } as const;
  expect(parseUsers(editUsers('', new Map(users)), rules).size).toBe(3);
});
