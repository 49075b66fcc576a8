import type { Objects } from './objects.ts';

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** The index of the first key that is not before `wanted`. */
function lowerBound(keys: readonly string[], wanted: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** ListObjectsV2. The continuation token is the last key or common prefix that was given. */
export function list(objects: Objects, query: URLSearchParams): string {
  const keys = objects.keys();
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const most = Math.min(Number(query.get('max-keys') ?? 1000), 1000);
  const encode = query.get('encoding-type') === 'url' ? encodeURIComponent : escapeXml;
  const after = query.get('continuation-token') ?? query.get('start-after') ?? '';
  let contents = '';
  let prefixes = '';
  let count = 0;
  let last = after;
  let at = Math.max(lowerBound(keys, prefix), after === '' ? 0 : lowerBound(keys, `${after}\0`));
  if (delimiter !== '' && after.endsWith(delimiter)) at = Math.max(at, lowerBound(keys, `${after}\uffff`));
  for (; at < keys.length && count < most; count++) {
    const key = keys[at] ?? '';
    if (!key.startsWith(prefix)) break;
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (end >= 0) {
      last = key.slice(0, end + 1);
      prefixes += `<CommonPrefixes><Prefix>${encode(last)}</Prefix></CommonPrefixes>`;
      at = lowerBound(keys, `${last}\uffff`);
    } else {
      const object = objects.get(key);
      last = key;
      contents += `<Contents><Key>${encode(key)}</Key><LastModified>${object?.modified.toISOString()}</LastModified><ETag>${object?.etag.replaceAll('"', '&quot;')}</ETag><Size>${object?.size}</Size><StorageClass>STANDARD</StorageClass></Contents>`;
      at++;
    }
  }
  const truncated = at < keys.length && (keys[at] ?? '').startsWith(prefix);
  const next = truncated ? `<NextContinuationToken>${escapeXml(last)}</NextContinuationToken>` : '';
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>files</Name><Prefix>${encode(prefix)}</Prefix><KeyCount>${count}</KeyCount><MaxKeys>${most}</MaxKeys><IsTruncated>${truncated}</IsTruncated>${next}${contents}${prefixes}</ListBucketResult>`;
}
