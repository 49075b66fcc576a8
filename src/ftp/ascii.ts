const CR = 0x0d;
const LF = 0x0a;
const NOTHING = Buffer.alloc(0);

/**
 * Converts the line ends of one transfer in TYPE A (RFC 959 section 3.1.1.1), piece by piece, however its bytes
 * are cut.
 */
export interface LineEndConverter {
  /**
   * Converts the next piece. The answer may be empty, and may share its memory with `chunk`: it is the same buffer
   * where nothing changes.
   */
  convert(chunk: Buffer): Buffer;
  /** Gives what was held back, mostly nothing. The transfer is over then. */
  end(): Buffer;
}

/** For RETR: LF becomes CRLF unless a CR stands before it. */
export function toNetwork(): LineEndConverter {
  let afterCr = false;
  return {
    convert(chunk) {
      if (chunk.length === 0) return chunk;
      const bare = countBareLfs(chunk, afterCr);
      const converted = bare === 0 ? chunk : addCrs(chunk, afterCr, bare);
      afterCr = chunk[chunk.length - 1] === CR;
      return converted;
    },
    end: () => NOTHING,
  };
}

function countBareLfs(chunk: Buffer, afterCr: boolean): number {
  let count = 0;
  for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) {
    if (at === 0 ? !afterCr : chunk[at - 1] !== CR) count++;
  }
  return count;
}

function addCrs(chunk: Buffer, afterCr: boolean, bare: number): Buffer {
  const converted = Buffer.allocUnsafe(chunk.length + bare);
  let length = 0;
  let previous = afterCr ? CR : LF;
  for (let at = 0; at < chunk.length; at++) {
    const byte = chunk[at] ?? 0;
    if (byte === LF && previous !== CR) converted[length++] = CR;
    converted[length++] = byte;
    previous = byte;
  }
  return converted;
}

/** For STOR and APPE: CRLF becomes LF; every other CR is kept, a last lone one too. */
export function fromNetwork(): LineEndConverter {
  let held = false;
  return {
    convert(chunk) {
      if (chunk.length === 0) return chunk;
      const withHeld = held;
      held = chunk[chunk.length - 1] === CR;
      if (!withHeld && chunk.indexOf('\r\n') < 0) return held ? chunk.subarray(0, -1) : chunk;
      return dropCrs(chunk, withHeld);
    },
    end() {
      const rest = held ? Buffer.from([CR]) : NOTHING;
      held = false;
      return rest;
    },
  };
}

/** Leaves out each CR with an LF behind it, and a last one: what follows it is not known yet. */
function dropCrs(chunk: Buffer, withHeld: boolean): Buffer {
  const converted = Buffer.allocUnsafe(chunk.length + 1);
  let length = 0;
  if (withHeld && chunk[0] !== LF) converted[length++] = CR;
  const last = chunk.length - 1;
  for (let at = 0; at <= last; at++) {
    const byte = chunk[at] ?? 0;
    if (byte !== CR || (at < last && chunk[at + 1] !== LF)) converted[length++] = byte;
  }
  return converted.subarray(0, length);
}
