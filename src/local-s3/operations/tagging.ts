import { checkTags } from '../attributes.ts';
import { S3Error } from '../errors.ts';
import { findSettled, type SettledObject, updateVersion } from '../store/objects.ts';
import { children, childText, element } from '../xml.ts';
import { bucketOf, type Context, keyOf, type Operation, receiveXml, xmlResponse } from './context.ts';

async function existing(context: Context): Promise<SettledObject> {
  const key = keyOf(context);
  const object = await findSettled(bucketOf(context), key);
  if (!object) throw new S3Error('NoSuchKey', undefined, { details: { Key: key } });
  return object;
}

async function replaceTags(context: Context, tags: Record<string, string>): Promise<void> {
  // Once more where the object was replaced between the look-up and the change.
  while (!(await updateVersion(bucketOf(context), await existing(context), { tags })));
}

/** GetObjectTagging. */
export const GetObjectTagging: Operation = async (context) => {
  const { version } = await existing(context);
  const tags = Object.entries(version.tags).map(
    ([name, value]) => `<Tag>${element('Key', name)}${element('Value', value)}</Tag>`,
  );
  return xmlResponse('Tagging', `<TagSet>${tags.join('')}</TagSet>`);
};

/** PutObjectTagging: replaces all tags. */
export const PutObjectTagging: Operation = async (context) => {
  const root = await receiveXml(context, bucketOf(context), 'Tagging');
  const tags: Record<string, string> = {};
  const [set] = children(root, 'TagSet');
  if (set === undefined) throw new S3Error('MalformedXML');
  for (const tag of children(set, 'Tag')) {
    const name = childText(tag, 'Key');
    const value = childText(tag, 'Value');
    if (name === undefined || value === undefined) throw new S3Error('MalformedXML');
    if (Object.hasOwn(tags, name))
      throw new S3Error('InvalidTag', 'Cannot provide multiple Tags with the same key');
    tags[name] = value;
  }
  await replaceTags(context, checkTags(tags));
  return { status: 200 };
};

/** DeleteObjectTagging. */
export const DeleteObjectTagging: Operation = async (context) => {
  await replaceTags(context, {});
  return { status: 204 };
};
