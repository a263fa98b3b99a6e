// Uploads the symbols of the modules that came with Node to scopegate.

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ofFile, ofNodesTree } from './scopes.js';
import { connect, Uploader, UploadError } from './upload.js';

const { values: options } = parseArgs({
  options: {
    target: { type: 'string', default: '127.0.0.1:50051' }, // host:port of the server
    service: { type: 'string', default: 'interop-node' },
    sent: { type: 'string' }, // write each scope there, as a line of JSON
    golden: { type: 'string' }, // upload this JavaScript file instead
    replay: { type: 'string' }, // upload scopes from lines of JSON instead
    deadline: { type: 'string', default: '900' }, // seconds
    'max-message-bytes': { type: 'string', default: String(1 << 20) },
    gzip: { type: 'boolean', default: false }, // compress messages
    'cancel-after': { type: 'string', default: '0' }, // cancel after that many scopes
    'cancel-at': { type: 'string' }, // cancel after that many seconds
  },
});

function* found() {
  if (options.golden) yield* ofFile(options.golden, options.golden);
  else if (options.replay) yield* lines(options.replay);
  else yield* ofNodesTree();
}

function* lines(path) {
  const text = readFileSync(path);
  for (let begin = 0, end; (end = text.indexOf(10, begin)) >= 0; begin = end + 1) {
    yield JSON.parse(text.subarray(begin, end));
  }
}

// Keys that LanguageSpecifics has no field for travel in its open map.
const KNOWN = new Set([
  'agent_version', 'go_qualified_name', 'available_line_ranges', 'access_modifiers', 'annotations', 'interfaces',
  'super_class', 'super_classes', 'return_type', 'start_column', 'end_column', 'pdb_exist', 'file_hash',
  'function_type', 'method_type', 'visibility', 'arity', 'included_modules', 'prepended_modules',
]);

/** The message of a scope or a symbol. What is null is left unset. */
function toMessage(node) {
  const message = { ...node };
  for (const key of ['scopes', 'symbols']) if (node[key]) message[key] = node[key].map(toMessage);
  if (node.language_specifics) {
    const specifics = { additional: {} };
    for (const [key, value] of Object.entries(node.language_specifics)) {
      if (KNOWN.has(key)) specifics[key] = value;
      else specifics.additional[key] = toValue(value);
    }
    message.language_specifics = specifics;
  }
  return message;
}

/** A google.protobuf.Value, in the names that the loader has for its fields. */
function toValue(value) {
  if (value === null) return { nullValue: 'NULL_VALUE' };
  if (Array.isArray(value)) return { listValue: { values: value.map(toValue) } };
  switch (typeof value) {
    case 'object':
      return { structValue: { fields: Object.fromEntries(Object.entries(value).map(([k, v]) => [k, toValue(v)])) } };
    case 'boolean': return { boolValue: value };
    case 'number': return { numberValue: value };
    default: return { stringValue: value };
  }
}

const client = connect(options.target, { gzip: options.gzip });
const uploader = new Uploader(
  client,
  {
    service: options.service, env: 'interop', version: '1.0', language: 'javascript', ddsource: 'nodejs',
    tags: ['git.commit.sha:12ab', 'team:interop'], container_id: 'interop-container', entity_id: 'ci-interop',
    external_env: 'it-false,cn-interop', parent_id: 'interop-parent', additional: { schema_version: { numberValue: 1 } },
  },
  { deadlineMs: options.deadline * 1e3, maxMessageBytes: Number(options['max-message-bytes']) },
);
const sent = options.sent && openSync(options.sent, 'w');
let scopeCount = 0;

/** The scopes to upload: the same each time that they are asked for. */
function* scopes() {
  let index = 0;
  for (const scope of found()) {
    index += 1;
    if (index > scopeCount) {
      scopeCount = index;
      if (sent) writeSync(sent, `${JSON.stringify(scope)}\n`);
    }
    yield toMessage(scope);
    if (index === Number(options['cancel-after'])) uploader.cancel();
  }
}

const result = { status: 'OK', reason: '', field: '' };
const began = performance.now();
if (options['cancel-at']) setTimeout(() => uploader.cancel(), options['cancel-at'] * 1e3).unref();
try {
  const summary = await uploader.upload(scopes);
  result.scope_count = summary.scope_count;
} catch (error) {
  console.error(error.message);
  const { code, reason, field } = error instanceof UploadError ? error : { code: 'SOURCE_FAILED', reason: '', field: '' };
  Object.assign(result, { status: code, reason, field });
}
Object.assign(result, {
  upload_id: uploader.metadata.upload_id,
  header_upload_id: uploader.headerUploadId ?? '',
  scopes: scopeCount,
  messages: uploader.messageCount,
  streams: uploader.streamCount,
  seconds: (performance.now() - began) / 1e3,
});
console.log(JSON.stringify(result));
client.close();
if (sent) closeSync(sent);
process.exitCode = result.status === 'OK' ? 0 : 1;
