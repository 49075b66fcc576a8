import { isIP } from 'node:net';
import type { Rows } from '../command.ts';
import { parseMlstOptions } from '../listing.ts';
import { multiline, type Reply, reply } from '../reply.ts';
import type { Session } from '../session.ts';
import { selectHash } from './digests.ts';

/** RFC 2389 section 4. */
function opts(session: Session, argument: string): Reply {
  const [, command = '', rest = ''] = /^(\S+) ?(.*)$/s.exec(argument) ?? [];
  switch (command.toUpperCase()) {
    case 'UTF8':
    case 'UTF-8':
      return optsUtf8(session, rest.trim());
    case 'MLST': {
      const facts = parseMlstOptions(rest);
      session.state.facts = new Set(facts);
      return reply(200, `MLST OPTS${facts.length > 0 ? ' ' : ''}${facts.map((fact) => `${fact};`).join('')}`);
    }
    case 'HASH':
      return selectHash(session, rest);
    default:
      return reply(501, 'No such option.');
  }
}

/** What a client asks for beside what is configured; one that asks in vain must hear so (RFC 2640). */
function optsUtf8(session: Session, argument: string): Reply {
  const on = /^(ON|NLST)?$/i.test(argument);
  if (!on && session.ownEncoding === 'utf-8') return reply(501, 'UTF-8 is always on.');
  if (!on && !/^OFF$/i.test(argument)) return reply(501, 'Syntax: OPTS UTF8 ON or OFF');
  session.state.utf8 = on;
  return reply(200, on ? 'UTF-8 is on.' : `UTF-8 is off, names are ${session.ownEncoding.toUpperCase()}.`);
}

/** RFC 7151. There is one host here, whatever it is called; an address must be the one that was called. */
function host(session: Session, argument: string): Reply {
  const name = argument;
  if (session.state.login || session.state.userName !== undefined)
    return reply(503, 'Send HOST before USER.');
  const literal = /^\[(.*)\]$/.exec(name)?.[1] ?? name;
  if (isIP(literal)) {
    const { config, localAddress } = session;
    const own = literal === localAddress || config.passiveAddress.some(({ host }) => host === literal);
    return own ? reply(220, 'Host accepted.') : reply(504, 'Unknown host.');
  }
  const good = /^(?=.{1,255}$)[\p{L}\p{N}_-]+(\.[\p{L}\p{N}_-]+)*\.?$/u.test(name);
  return good ? reply(220, 'Host accepted.') : reply(501, 'Syntax: HOST <name>');
}

/** RFC 2640 section 4: English only. */
function lang(_: Session, argument: string): Reply {
  const tag = argument;
  if (tag !== '' && !/^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$/.test(tag))
    return reply(501, 'Syntax: LANG [<tag>]');
  return /^(en(-.*)?)?$/i.test(tag)
    ? reply(200, 'Messages are in English.')
    : reply(504, 'Only English is spoken.');
}

function clnt(session: Session, argument: string): Reply {
  session.state.client = argument.slice(0, 200);
  return reply(200, 'Noted.');
}

export const INFORMATION: Rows = {
  OPTS: {
    argument: 'required',
    beforeLogin: true,
    help: 'OPTS <command> [<options>]',
    feat: () => ['UTF8'],
    run: opts,
  },
  HOST: { argument: 'required', beforeLogin: true, help: 'HOST <name>', feat: () => ['HOST'], run: host },
  LANG: {
    argument: 'optional',
    beforeLogin: true,
    help: 'LANG [<tag>]',
    feat: () => ['LANG en*'],
    run: lang,
  },
  CLNT: { argument: 'optional', beforeLogin: true, help: 'CLNT <name>', feat: () => ['CLNT'], run: clnt },
  SYST: {
    argument: 'ignored',
    beforeLogin: true,
    help: 'SYST',
    // Clients choose their listing parser by this very text.
    run: () => reply(215, 'UNIX Type: L8'),
  },
  NOOP: {
    argument: 'ignored',
    beforeLogin: true,
    duringTransfer: 'always',
    help: 'NOOP',
    run: () => reply(200, 'OK.'),
  },
};

/** FEAT and HELP, made from the table itself. */
export function generated(
  table: () => ReadonlyMap<string, { help: string; served: boolean } & Pick<Rows[string], 'feat'>>,
): Rows {
  function feat(session: Session): Reply {
    // An alias has its command's lines.
    const lines = new Set([...table().values()].flatMap((row) => row.feat?.(session) ?? []));
    return multiline(211, 'Features:', [...lines].sort(), 'End');
  }

  function help(_: Session, argument: string): Reply {
    const verb = argument
      .trim()
      .toUpperCase()
      .replace(/^SITE .*/, 'SITE');
    if (verb === '') {
      const names = [...table()].map(([name, { served }]) => (served ? name : `${name}*`));
      const lines = Array.from({ length: Math.ceil(names.length / 8) }, (_unused, row) =>
        names
          .slice(row * 8, row * 8 + 8)
          .map((name) => name.padEnd(6))
          .join(' ')
          .trimEnd(),
      );
      return multiline(214, 'Commands (* not implemented):', lines, 'End of help.');
    }
    const row = table().get(verb);
    return row ? reply(214, `Syntax: ${row.help}`) : reply(501, 'Unknown command.');
  }

  return {
    FEAT: { argument: 'none', beforeLogin: true, help: 'FEAT', run: feat },
    HELP: { argument: 'optional', beforeLogin: true, help: 'HELP [<command>]', run: help },
  };
}
