/** The password of every hash here. */
export const PASSWORD = 'Grüße aus Köln';

/** Hashes as other programs wrote them, with what wrote them. */
export const HASHES: readonly (readonly [origin: string, hash: string])[] = [
  ['ProFTPD 1.3.8, ftpasswd --passwd', '$5$41zeSzjmFJRBw2L8$x83PldlBoBQZ8VhorLsrEvHPaE.kUpZ5JStGBpj3dp5'],
  [
    'ProFTPD 1.3.8, ftpasswd --passwd --sha256',
    '$5$m4EWTELYBzgVEUAS$xxvi6UX42kRcdPdbIzoeDNJqGpjxwa4Iq9yLjwqKwo.',
  ],
  [
    'ProFTPD 1.3.8, ftpasswd --passwd --sha512',
    '$6$sgdsabWBwnzR8hCP$jb8ihwxEtqk0MB./VIMGgImiHrSEV07SazlpJq4zirwk42YjXImu2iUiIYVSjfdUtU/bapOnjSpZnTsr0V2Rb/',
  ],
  [
    'Pure-FTPd 1.0.50, pure-pw useradd, libsodium 1.0.18',
    '$argon2id$v=19$m=8192,t=511,p=1$rNg0rstJmgYmTadEiFKxIw$f9LLOL4qxdVEtuGL8zuDE2iyAQuRc55Vvb0lqvsxL9o',
  ],
  [
    "Debian's mkpasswd 5.5.17 -m sha256crypt",
    '$5$fmdMkPYs9G8WxEyy$FaeYNnynGxSVigKXfQvg9eQjb2UDrwif83J.ttbVy.9',
  ],
  [
    "Debian's mkpasswd 5.5.17 -m sha512crypt",
    '$6$cyUvGgUUi9mVQ.VD$4tbV8pbgJ7pv0QlBddwFqFam0b4f2c4cL38.YlbsbeKFgmZa5/w6zR8Kh3uNbhmpajjr5969PVE3eHE.2B9Ws/',
  ],
  [
    "Debian's mkpasswd 5.5.17 -m sha512crypt -R 20000",
    '$6$rounds=20000$kUXp0xRERlrwL4WU$oRqQ.f1aBXobwzob.AMAwwolnJEGUoQiMg3qVCQhZeKHP0yqudd5aTYmSsfTghnWWJn6x.MryjE6/KfoOw.TY0',
  ],
  ["Debian's mkpasswd 5.5.17 -m bcrypt", '$2b$05$qLtJTYxHbNBSM0R6r0pYbe9pnOrX1oSEB8yTMtbaF5T6MYgZbKsDy'],
  [
    "Debian's mkpasswd 5.5.17 -m bcrypt-a, the form of Pure-FTPd without libsodium",
    '$2a$05$3DjTvDCsMsOvCRVetI4HdeokrYoUtHnl.c6DNfZDesx2WGi3p2vV.',
  ],
  ['OpenSSL 3.0, openssl passwd -5', '$5$qTM8Zord0PDGog9/$nPhswA2zjf2jU/A9J.ZTOh1EPAOdigtSx2hbN0vVvB0'],
  [
    'OpenSSL 3.0, openssl passwd -6',
    '$6$H/FzRwyZij2QW0OI$NMNKeRJ799jjdD91MBgZ8QvM66n4Py90icqzWehd6ptI5it92xgg0AkaGGiRQL2kO61kvG27Pqay3TOYUuUnS0',
  ],
  [
    "SFTPGo's format, the digest by Python's hashlib: pbkdf2-sha1",
    '$pbkdf2-sha1$20000$E86a9YMX3zC7$UKHEsv1UpdHGb/h4Po21FfjhReI=',
  ],
  [
    "SFTPGo's format, the digest by Python's hashlib: pbkdf2-sha256",
    '$pbkdf2-sha256$20000$E86a9YMX3zC7$RMA23SM75sfaTB1wAw4LiOmnfSwUKDEd2/1WVGQRDLw=',
  ],
  [
    "SFTPGo's format, the digest by Python's hashlib: pbkdf2-sha512",
    '$pbkdf2-sha512$20000$E86a9YMX3zC7$UusBLfjy8YC3/MlOzgxnEatIfaLlxEv6MT0PWgHAdd799W0mIQAXAF7b/mly6MsESYwsHwd/4bMJaPFWe2C6Jg==',
  ],
  [
    "SFTPGo's format, the digest by Python's hashlib: pbkdf2-b64salt-sha256",
    '$pbkdf2-b64salt-sha256$20000$AAECAwQFBgcICQoL$6nwvwvcRsM3E8b07MSkHSAnPyrfw1wGpsYbXJhM1pg8=',
  ],
  ['passlib 1.7.4, pbkdf2_sha1', '$pbkdf2$20000$zHkvJYQQ4vwfY6yVEgLgfA$NZjNF/yuLLUtXjL1aOHByztakH8'],
  [
    'passlib 1.7.4, pbkdf2_sha256',
    '$pbkdf2-sha256$20000$.R8jpHTuvbfWuvceg7BWag$9O00i9H6OFD0LkPfxaqhWqzOZkKW7/jVJEaoEGZCkAQ',
  ],
  [
    'passlib 1.7.4, pbkdf2_sha512',
    '$pbkdf2-sha512$20000$SYmxFuI8RwjBOIfwnhOi9A$VBkvU1AgHCBTWcd4lGp6M/.PBAY8dWqN5mgrpRMKvg2h8Aay5yBgCLrl1qLUCkg.zGyFnpDAUhL3J6MWgAdqkw',
  ],
  ['passlib 1.7.4, bcrypt 2y', '$2y$06$C1LLSbaLrB7cwSdcqz8XluL1dNeXXhNxK.faIiYrllWeKwqumEYgS'],
  [
    'argon2-cffi, argon2id',
    '$argon2id$v=19$m=4096,t=3,p=2$gxBi7B2jdO5dCwFgDOGckw$MSrCiPGZSBdv3I/VGOyXAx+aHCDnvzUOMZI/yO2ZwVU',
  ],
  [
    'argon2-cffi, argon2i',
    '$argon2i$v=19$m=4096,t=3,p=2$Pef8f+89JySEcO4do5Ryrg$1D+ep3nGrBLLqCFH31Wga0KmMR0eDULMFJaf+P8qUb4',
  ],
  [
    'argon2-cffi, argon2d',
    '$argon2d$v=19$m=4096,t=3,p=2$qLV2rnVOKWUsZUwpBcD4/w$pMkHtcbh60tTbSb3lzq7C6gF1kRqQ1+Z4/vWorlmbU8',
  ],
];

/** Hashes of the same password that are refused, and what the refusal says. */
export const REFUSED_HASHES: readonly (readonly [origin: string, hash: string, why: RegExp])[] = [
  [
    'mkpasswd -m yescrypt',
    '$y$j9T$7c1nMGBCVtS6oBrPrGcr.0$hnjnblpCVzdWXkDA3RfGLOHXhLU/mP3a8Gg3eOrVsx7',
    /^yescrypt/,
  ],
  [
    'mkpasswd -m gost-yescrypt',
    '$gy$j9T$IIk2PfLxl.PqSu.PO3hO71$xBwHRuiIbgaae.t4KzG.5vodCubWHlsf.AJuQeHniU2',
    /^yescrypt/,
  ],
  [
    'mkpasswd -m scrypt',
    '$7$CU..../....VWkvcRC.RQngo9xefiugF.$BLpQsWCV5ETPFtca6oRgEKYVcxU7xEMyNjMqu8wLwR/',
    /^scrypt/,
  ],
  ['mkpasswd -m md5crypt', '$1$z32KwvXs$Pjj22hxuzCdNEBOlqKs841', /^MD5-crypt/],
  ['openssl passwd -apr1', '$apr1$Ms3nSiF0$0nItYpjbGXTpzV/sa29AJ.', /^MD5-crypt/],
  ['mkpasswd -m descrypt', 'RTxOojfodj76Q', /^DES-crypt/],
  [
    'ftpasswd --lock',
    '!$6$sG1DOv3mgVh7JGA7$oCmhGiMOSGfxQFoJSsfZU7DqI.EEKMHqbnfiKnIb31ELPAamCJV2jcAD8Jzz6JY03OlpFCA8ei23Y1FW3wa8I1',
    /locked/,
  ],
  ['LDAP', '{SHA256}47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', /too weak/],
  ['a password in clear', 'hunter2', /^a hash/],
];

/** ProFTPD's AuthUserFile, by ftpasswd 1.3.8. */
export const AUTH_USER_FILE = `pro-default:$5$41zeSzjmFJRBw2L8$x83PldlBoBQZ8VhorLsrEvHPaE.kUpZ5JStGBpj3dp5:1000:1000:Pro FTPD:/srv/ftp/pro:/bin/false
pro-sha512:$6$sgdsabWBwnzR8hCP$jb8ihwxEtqk0MB./VIMGgImiHrSEV07SazlpJq4zirwk42YjXImu2iUiIYVSjfdUtU/bapOnjSpZnTsr0V2Rb/:1000:1000:Pro FTPD:/srv/ftp/pro/sha512:/bin/false
pro-md5:$1$e9f9sqII$EszlnxtZrbaR67kfSkFew/:1000:1000:Pro FTPD:/srv/ftp/pro:/bin/false
`;

/** Pure-FTPd's passwd file, by pure-pw 1.0.50 -t 100 -T 50 -y 5 -r 192.0.2.0/24,198.51.100.7. */
export const PURE_PASSWD = `pure:$argon2id$v=19$m=8192,t=511,p=1$rNg0rstJmgYmTadEiFKxIw$f9LLOL4qxdVEtuGL8zuDE2iyAQuRc55Vvb0lqvsxL9o:1000:1000:Pure FTPd:/srv/ftp/pure/./:51200:102400:::5:::::192.0.2.0/24,198.51.100.7::
`;
