import { checksumElement } from '../checksums.ts';
import { S3Error } from '../errors.ts';
import { compareUtf8 } from '../store/directories.ts';
import { listParts, listUploads, type Upload } from '../store/uploads.ts';
import { element } from '../xml.ts';
import { bucketOf, type Operation, xmlResponse } from './context.ts';
import { countParameter, keyEncoder } from './listing.ts';
import { uploadOf } from './multipart.ts';

const OWNER =
  '<Initiator><ID>local</ID><DisplayName>local</DisplayName></Initiator><Owner><ID>local</ID><DisplayName>local</DisplayName></Owner>';

/** ListParts. */
export const ListParts: Operation = (context) => {
  const { request } = context;
  const bucket = bucketOf(context);
  const upload = uploadOf(context);
  const marker = request.query.get('part-number-marker') || '0';
  if (!/^\d{1,10}$/.test(marker))
    throw new S3Error(
      'InvalidArgument',
      'Provided part-number-marker not an integer or within integer range',
    );
  const limit = countParameter(request, 'max-parts');
  const encode = keyEncoder(request);
  const behind = listParts(bucket, upload.id).filter((part) => part.number > Number(marker));
  const parts = behind.slice(0, limit);
  const plan = upload.checksum;
  const head = [
    element('Bucket', bucket.name),
    element('Key', encode(upload.key)),
    element('UploadId', upload.id),
    element('PartNumberMarker', marker),
    element('NextPartNumberMarker', parts.at(-1)?.number ?? marker),
    element('MaxParts', limit),
    element('IsTruncated', limit > 0 && behind.length > parts.length),
    plan ? element('ChecksumAlgorithm', plan.algorithm) + element('ChecksumType', plan.type) : '',
    OWNER,
    element('StorageClass', upload.attributes.storageClass ?? 'STANDARD'),
  ];
  const list = parts.map((part) => {
    const checksum =
      plan && part.checksum ? element(checksumElement(plan.algorithm), part.checksum.toString('base64')) : '';
    return `<Part>${element('PartNumber', part.number)}${element('LastModified', part.modified.toISOString())}${element('ETag', `"${part.etag}"`)}${element('Size', part.size)}${checksum}</Part>`;
  });
  return xmlResponse('ListPartsResult', head.join('') + list.join(''));
};

function compareUploads(a: Upload, b: Upload): number {
  return compareUtf8(a.key, b.key) || (a.id < b.id ? -1 : 1);
}

interface UploadPage {
  uploads: Upload[];
  commonPrefixes: string[];
  truncated: boolean;
  nextKey: string;
  nextId: string;
}

function pageOf(
  uploads: Upload[],
  prefix: string,
  delimiter: string,
  marker: { key: string; id: string },
  limit: number,
): UploadPage {
  const page: UploadPage = { uploads: [], commonPrefixes: [], truncated: false, nextKey: '', nextId: '' };
  for (const upload of uploads.sort(compareUploads)) {
    const { key, id } = upload;
    if (!key.startsWith(prefix)) continue;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const common = cut < 0 ? undefined : key.slice(0, cut + delimiter.length);
    if (common !== undefined && (common === page.commonPrefixes.at(-1) || common === marker.key)) continue;
    const order = compareUtf8(key, marker.key);
    // Without an id, all uploads of the marker's key are behind it already.
    if (marker.key !== '' && (order < 0 || (order === 0 && (marker.id === '' || id <= marker.id)))) continue;
    if (page.uploads.length + page.commonPrefixes.length === limit) {
      page.truncated = limit > 0;
      break;
    }
    if (common === undefined) page.uploads.push(upload);
    else page.commonPrefixes.push(common);
    page.nextKey = common ?? key;
    page.nextId = common === undefined ? id : '';
  }
  return page;
}

/** ListMultipartUploads. */
export const ListMultipartUploads: Operation = (context) => {
  const { request } = context;
  const { query } = request;
  const bucket = bucketOf(context);
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const marker = { key: query.get('key-marker') ?? '', id: query.get('upload-id-marker') ?? '' };
  const limit = countParameter(request, 'max-uploads');
  const encode = keyEncoder(request);
  const page = pageOf(listUploads(bucket), prefix, delimiter, marker, limit);
  const head = [
    element('Bucket', bucket.name),
    element('KeyMarker', encode(marker.key)),
    element('UploadIdMarker', marker.id),
    page.truncated
      ? element('NextKeyMarker', encode(page.nextKey)) + element('NextUploadIdMarker', page.nextId)
      : '',
    element('Prefix', encode(prefix)),
    delimiter === '' ? '' : element('Delimiter', encode(delimiter)),
    element('EncodingType', query.get('encoding-type') || undefined),
    element('MaxUploads', limit),
    element('IsTruncated', page.truncated),
  ];
  const list = page.uploads.map(({ key, id, initiated, attributes, checksum }) => {
    const plan = checksum
      ? element('ChecksumAlgorithm', checksum.algorithm) + element('ChecksumType', checksum.type)
      : '';
    return `<Upload>${element('Key', encode(key))}${element('UploadId', id)}${OWNER}${element('StorageClass', attributes.storageClass ?? 'STANDARD')}${element('Initiated', initiated)}${plan}</Upload>`;
  });
  const prefixes = page.commonPrefixes.map(
    (common) => `<CommonPrefixes>${element('Prefix', encode(common))}</CommonPrefixes>`,
  );
  return xmlResponse('ListMultipartUploadsResult', head.join('') + list.join('') + prefixes.join(''));
};
