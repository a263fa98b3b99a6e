// Uploads scopes to scopegate: the part that a tracer would copy.
//
//   const uploader = new Uploader(connect('127.0.0.1:50051'), { service: 'shop', language: 'javascript' });
//   const summary = await uploader.upload(findScopes);

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { compressionAlgorithms, credentials, loadPackageDefinition, Metadata, status } from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, loadSync } from '@grpc/proto-loader';

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));
const options = { keepCase: true, longs: Number, defaults: true };
const definition = {
  // The messages of status details, from what `make protos` builds. The loader
  // takes no maps from a descriptor set, so the service comes from its own files.
  ...loadFileDescriptorSetFromBuffer(readFileSync(beside('symdb.v1.binpb')), options),
  ...loadSync('symdb/v1/symbol_database_service.proto', { ...options, includeDirs: [beside('proto')] }),
};
const { SymbolDatabaseService } = loadPackageDefinition(definition).symdb.v1;

/**
 * Opens a connection in the background. client.close() ends it. To compress messages
 * pays where the link is slow: docs/tracers.md.
 */
export function connect(target, { gzip = false } = {}) {
  return new SymbolDatabaseService(target, credentials.createInsecure(), {
    'grpc.enable_retries': 0, // the library's own retries know nothing of batches
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.default_compression_algorithm': gzip ? compressionAlgorithms.gzip : compressionAlgorithms.identity,
  });
}

/** How an upload failed: a gRPC code's name, and the details of the status. */
export class UploadError extends Error {
  #details = new Map();

  constructor(error) {
    super(error.message, { cause: error });
    this.code = status[error.code];
    const [packed] = error.metadata?.get('grpc-status-details-bin') ?? [];
    if (!packed) return;
    for (const { type_url: url, value } of definition['google.rpc.Status'].deserialize(packed).details) {
      const type = url.slice(url.lastIndexOf('/') + 1);
      if (definition[type]) this.#details.set(type, definition[type].deserialize(value));
    }
  }

  get reason() { return this.#details.get('google.rpc.ErrorInfo')?.reason ?? ''; }

  /** The field that the server found wrong, such as scope[17].name. */
  get field() { return this.#details.get('google.rpc.BadRequest')?.field_violations[0]?.field ?? ''; }

  /** How far the stream came; undefined where that is not known. */
  get progress() { return this.#details.get('symdb.v1.UploadProgress'); }

  get retryDelayMs() {
    const { seconds = 0, nanos = 0 } = this.#details.get('google.rpc.RetryInfo')?.retry_delay ?? {};
    return seconds * 1e3 + nanos / 1e6;
  }

  /** Whether the same upload may succeed later. */
  get passes() {
    return this.code === 'UNAVAILABLE' || (this.code === 'RESOURCE_EXHAUSTED' && this.reason === 'OVERLOADED');
  }
}

// How long one attempt to connect may take.
const CONNECT_MS = 10_000;

/** One upload, in as many streams as it takes. Make a new Uploader for each upload. */
export class Uploader {
  streamCount = 0;
  messageCount = 0;
  #client;
  #options;
  #endsAt;
  #call;
  #stop = new AbortController();
  #sent = 0;

  /** deadlineMs is what the whole upload may take, once it begins. */
  constructor(client, metadata, { deadlineMs = 900_000, maxAttempts = 8, maxMessageBytes = 1 << 20 } = {}) {
    this.#client = client;
    this.metadata = { upload_id: randomUUID(), ...metadata };
    this.#options = { deadlineMs, maxAttempts, maxMessageBytes };
  }

  /**
   * Sends what scopes() yields, and resolves when the intake has it all.
   *
   * Where a stream fails, scopes() is called again: it must yield the same each
   * time. In return nothing is held here. While the intake is slow, nothing is
   * asked of the iterator.
   */
  async upload(scopes) {
    this.#endsAt = Date.now() + this.#options.deadlineMs;
    for (let accepted = 0, failures = 0; ;) {
      try {
        return await this.#stream(scopes, accepted);
      } catch (error) {
        if (!(error instanceof UploadError) || !error.passes) throw error;
        const { progress } = error;
        if (progress?.upload_id === this.metadata.upload_id && progress.accepted_scope_count < this.#sent) {
          // It is known how far the stream came: the next one goes on there.
          accepted += progress.accepted_scope_count;
          this.metadata.first_batch_num = progress.next_batch_num;
          failures = progress.accepted_scope_count > 0 ? 0 : failures + 1;
        } else if (this.#sent === 0 || progress?.upload_id === '') {
          // No scope was sent, or the server has read nothing: send the same again.
          failures += 1;
        } else {
          // It is not: start over, as another upload.
          accepted = 0;
          failures += 1;
          this.metadata = { ...this.metadata, upload_id: randomUUID(), first_batch_num: 0 };
        }
        const wait = error.retryDelayMs + Math.random() * Math.min(30_000, 200 * 2 ** failures);
        if (failures >= this.#options.maxAttempts || Date.now() + wait >= this.#endsAt) throw error;
        await sleep(wait, undefined, { signal: this.#stop.signal }).catch(() => {}); // the next stream finds it cancelled
      }
    }
  }

  /** Breaks the upload off, also between two streams. It never gets a final batch. */
  cancel() {
    this.#stop.abort();
    this.#call?.cancel();
  }

  // A call takes scopes without a connection, too. Then nobody knows whether they were
  // sent, and the upload would start over: so there is no call without a connection.
  #connected() {
    const until = Math.min(this.#endsAt, Date.now() + CONNECT_MS);
    return new Promise((resolve, reject) => {
      this.#stop.signal.onabort = resolve; // wait no longer
      this.#client.waitForReady(until, (error) => {
        if (!error) resolve();
        else reject(new UploadError(Object.assign(error, { code: until < this.#endsAt ? status.UNAVAILABLE : status.DEADLINE_EXCEEDED })));
      });
    });
  }

  async #stream(scopes, accepted) {
    let whole = false;
    let ended = false;
    let call;
    const { signal } = this.#stop;
    this.#sent = 0;
    this.streamCount += 1;
    if (!signal.aborted) await this.#connected();
    if (signal.aborted) throw new UploadError({ code: status.CANCELLED, message: 'the upload was cancelled' });
    const answer = new Promise((resolve, reject) => {
      call = this.#client.UploadScopes(new Metadata(), { deadline: this.#endsAt }, (error, summary) => {
        ended = true;
        if (error) reject(new UploadError(error));
        else if (whole) resolve(summary);
        else reject(new UploadError({ code: status.INTERNAL, message: 'the server answered before the end of the upload' }));
      });
    });
    answer.catch(() => {}); // it is awaited below, perhaps after it was rejected
    this.#call = call;
    call.on('metadata', (headers) => { [this.headerUploadId] = headers.get('scopegate-upload-id'); });

    // Where write returns false the server is behind: to go on would only fill
    // memory. A stream that has ended never drains, so the answer is waited for too.
    const write = async (request) => {
      if (!call.write(request)) await Promise.race([once(call, 'drain'), answer]);
    };
    try {
      await write({ metadata: this.metadata });
      let index = 0;
      for (const scope of scopes()) {
        for (const message of split(scope, this.#options.maxMessageBytes)) {
          index += 1;
          if (index <= accepted) continue;
          if (ended) return await answer;
          this.#sent += 1;
          await write({ scope: message });
          this.messageCount += 1;
        }
      }
    } catch (error) {
      call.cancel(); // never end(): what is cut short must not get a final batch
      throw error;
    }
    whole = true;
    call.end();
    return answer;
  }
}

/**
 * A root that is too large for a message, as several: the backend merges them. Each
 * has some of the children, or of what they have split into. A scope's symbols go
 * with its first part. What has no children stays as it is.
 */
function* split(scope, maxBytes) {
  if (!scope.scopes?.length || sizeOf(scope) <= maxBytes) {
    yield scope;
    return;
  }
  const { scopes = [], symbols, ...bare } = scope;
  const part = (own) => ({ message: { ...own, scopes: [] }, bytes: sizeOf(own) });
  let { message, bytes } = part({ ...bare, symbols });
  for (const child of scopes) {
    for (const piece of split(child, maxBytes - sizeOf(bare))) {
      const pieceBytes = sizeOf(piece);
      if (message.scopes.length > 0 && bytes + pieceBytes > maxBytes) {
        yield message;
        ({ message, bytes } = part(bare));
      }
      message.scopes.push(piece);
      bytes += pieceBytes;
    }
  }
  yield message;
}

/** A scope's size as JSON, which is never smaller than as protobuf. */
const sizeOf = (scope) => Buffer.byteLength(JSON.stringify(scope));
