/** What is wrong with what a setting leads to. Never holds any of its contents. */
export class SettingError extends Error {
  override readonly name = 'SettingError';
  /** The setting's name, such as `FERRY_TLS_KEY`. */
  readonly setting: string;
  /** The same for the same trouble, even where its words differ from one time to the next. */
  readonly kind: string;

  /** @param reason continues a sentence that begins with the setting's name */
  constructor(setting: string, reason: string, kind = reason) {
    super(reason);
    this.setting = setting;
    this.kind = `${setting} ${kind}`;
  }
}
