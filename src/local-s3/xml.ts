import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { S3Error } from './errors.ts';

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

// The parser's own decoder drops references to control characters, which keys may hold.
function decodeEntities(text: string): string {
  return text.replace(/&(?:#(x[0-9a-f]{1,6}|[0-9]{1,7})|(amp|lt|gt|quot|apos));/gi, (whole, digits, name) => {
    if (name) return NAMED[name] ?? whole;
    const point = /^x/i.test(digits) ? Number.parseInt(digits.slice(1), 16) : Number(digits);
    return point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ? whole : String.fromCodePoint(point);
  });
}

const nothing = (): void => {};

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: 16,
  entityDecoder: {
    decode: decodeEntities,
    setExternalEntities: nothing,
    addInputEntities: nothing,
    reset: nothing,
    setXmlVersion: nothing,
  },
});

/** A parsed element: text, or child elements by name (an array where a name occurs more than once). */
export type XmlNode = string | { readonly [name: string]: XmlNode | readonly XmlNode[] };

/**
 * Parses a request body and returns its root element, which must have the given name.
 * Throws MalformedXML for anything that is not well-formed, has a DTD or has another root.
 */
export function parseXml(body: Buffer, root: string): XmlNode {
  const text = body.toString('utf8');
  if (/<!DOCTYPE|<!ENTITY/i.test(text) || XMLValidator.validate(text) !== true)
    throw new S3Error('MalformedXML');
  let document: XmlNode;
  try {
    document = parser.parse(text);
  } catch (cause) {
    throw new S3Error('MalformedXML', undefined, { cause });
  }
  const element = typeof document === 'object' ? document[root] : undefined;
  if (element === undefined || Array.isArray(element)) throw new S3Error('MalformedXML');
  return element as XmlNode;
}

/** All child elements of a name, in document order. */
export function children(node: XmlNode, name: string): readonly XmlNode[] {
  if (typeof node === 'string') return [];
  const found = node[name];
  if (found === undefined) return [];
  return Array.isArray(found) ? found : [found as XmlNode];
}

/** The text of the one child of a name, or undefined. Throws MalformedXML where it is not plain text. */
export function childText(node: XmlNode, name: string): string | undefined {
  const [first, second] = children(node, name);
  if (first === undefined) return undefined;
  if (second !== undefined) throw new S3Error('MalformedXML');
  if (typeof first === 'string') return first;
  throw new S3Error('MalformedXML');
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Text as XML content. Control characters become character references, as S3 writes them. */
export function escapeXml(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are legal in keys
  return text.replace(/[&<>"\u0000-\u001f\u007f\ufffe\uffff]/g, (char) => {
    return ESCAPES[char] ?? `&#x${char.charCodeAt(0).toString(16)};`;
  });
}

/** One element with text; nothing where the text is undefined. */
export function element(name: string, text: string | number | boolean | undefined): string {
  return text === undefined ? '' : `<${name}>${escapeXml(String(text))}</${name}>`;
}

/** A whole answer: declaration and root element in the S3 namespace around content that is XML already. */
export function xmlDocument(root: string, content: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</${root}>`;
}
