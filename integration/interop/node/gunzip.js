// Decompresses standard input with Node's zlib, for the tests.
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

await pipeline(process.stdin, createGunzip(), process.stdout);
