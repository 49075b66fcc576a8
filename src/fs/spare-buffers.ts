/** Bytes kept for reuse while nothing is lent. */
const IDLE_SPARE = 8 * 2 ** 20;

/** Buffers lent since a spare one came back, after which its size is no longer in use. */
const SPARE_AGE = 256;

/** Buffers for reuse: a fresh one costs page faults, half a CPU second for each GiB sent. */
export class SpareBuffers {
  /** In the order in which they came back. */
  readonly #kept: { buffer: Buffer; age: number }[] = [];
  #bytes = 0;
  #taken = 0;

  /**
   * A spare buffer of `bytes`, or a fresh one with any content.
   * @param room bytes that may be kept beside what is lent, this buffer included
   */
  take(bytes: number, room: number): Buffer {
    this.#taken++;
    const index = this.#kept.findLastIndex(({ buffer }) => buffer.length === bytes);
    const found = index < 0 ? undefined : this.#remove(index);
    // A growing upload has no more use for its smaller parts: a fresh buffer takes the place of older ones.
    let displaced = found ? 0 : bytes;
    for (let oldest = this.#kept[0]; oldest !== undefined; oldest = this.#kept[0]) {
      const { buffer, age } = oldest;
      const old = this.#taken - age > SPARE_AGE || buffer.length <= displaced;
      if (!old && this.#bytes <= room) break;
      displaced -= Math.min(displaced, buffer.length);
      this.#remove(0);
    }
    return found ?? Buffer.allocUnsafeSlow(bytes);
  }

  /** @param idle whether nothing is lent any more: little is kept then */
  keep(buffer: Buffer, idle: boolean): void {
    this.#kept.push({ buffer, age: this.#taken });
    this.#bytes += buffer.length;
    if (!idle) return;
    while (this.#bytes > IDLE_SPARE) this.#remove(0);
  }

  /** Bytes kept now. */
  get bytes(): number {
    return this.#bytes;
  }

  #remove(index: number): Buffer | undefined {
    const [removed] = this.#kept.splice(index, 1);
    this.#bytes -= removed?.buffer.length ?? 0;
    return removed?.buffer;
  }
}
