// Finds the scopes of JavaScript files, by their syntax trees.
//
// A scope is an object with the keys of symdb.v1.Scope. What is unknown is left
// out, except a symbol's type, which JavaScript does not have: it is null.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parse } from 'acorn';

const TO_THE_END = 2 ** 31 - 1;

/** The modules that came with Node itself, in a fixed order. */
export function* ofNodesTree() {
  const root = resolve(process.execPath, '../../lib/node_modules');
  for (const path of files(root)) yield* ofFile(path, relative(root, path));
}

function* files(folder) {
  const entries = readdirSync(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (/\.[cm]?js$/.test(entry.name)) yield path;
  }
}

/** The module in a file; nothing where it can't be parsed. */
export function* ofFile(path, name) {
  const source = readFileSync(path);
  const tree = parsed(source.toString());
  if (!tree) return;
  yield scope('MODULE', name, path, 1, TO_THE_END, {
    language_specifics: { file_hash: gitHash(source) },
    symbols: [...declared(tree.body)].map(([n]) => symbol(n, 'STATIC_FIELD', 0)),
    scopes: scopesIn(tree.body, 'MODULE', path),
  });
}

function parsed(text) {
  for (const sourceType of ['module', 'script']) {
    try {
      return parse(text, {
        sourceType, ecmaVersion: 'latest', locations: true, allowHashBang: true, allowReturnOutsideFunction: true,
      });
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return null;
}

function scope(type, name, path, start, end, more) {
  const found = { scope_type: type, source_file: path, start_line: start, end_line: end, ...more };
  if (name !== undefined) found.name = name;
  for (const key of ['injectible_lines', 'symbols', 'scopes']) {
    if (found[key]?.length === 0) delete found[key];
  }
  return found;
}

const symbol = (name, type, line) => ({ name, type: null, symbol_type: type, line });

/** The classes and functions at or below some nodes, the outermost ones. */
function scopesIn(nodes, outer, path) {
  const found = [];
  for (const node of nodes) {
    if (isFunction(node)) found.push(ofFunction(node, nameOf(node), outer, path));
    else if (isClass(node)) found.push(ofClass(node, path));
    else if (named(node)) found.push(ofNamed(node, outer, path));
    else found.push(...scopesIn(children(node), outer, path));
  }
  return found;
}

const isFunction = (node) => /^(Function|ArrowFunction)/.test(node.type);
const isClass = (node) => /^Class(Declaration|Expression)$/.test(node.type);
const nameOf = (node) => node.id?.name;

/** Whether a node is `name = function` or `name = class`. */
const named = (node) => node.type === 'VariableDeclarator' && node.id.type === 'Identifier' &&
  node.init && (isFunction(node.init) || isClass(node.init));

const ofNamed = ({ id, init }, outer, path) => isClass(init)
  ? ofClass(init, path, id.name)
  : ofFunction(init, nameOf(init) ?? id.name, outer, path);

function ofClass(node, path, name = nameOf(node)) {
  const fields = node.body.body.filter((member) => member.type === 'PropertyDefinition' && !member.computed);
  const methods = node.body.body.filter((member) => member.type === 'MethodDefinition' && !member.computed);
  return scope('CLASS', name, path, node.loc.start.line, node.loc.end.line, {
    ...(node.superClass?.type === 'Identifier' && { language_specifics: { super_classes: [node.superClass.name] } }),
    symbols: fields.map((field) => symbol(keyOf(field), field.static ? 'STATIC_FIELD' : 'FIELD', 0)),
    scopes: methods.map((method) => ofFunction(method.value, keyOf(method), 'CLASS', path, {
      method_type: method.kind,
      ...(method.static && { access_modifiers: ['static'] }),
    })),
  });
}

const keyOf = ({ key }) => (key.type === 'PrivateIdentifier' ? `#${key.name}` : key.name ?? String(key.value));

function ofFunction(node, name, outer, path, specifics) {
  const type = { MODULE: 'FUNCTION', CLASS: 'METHOD' }[outer] ?? 'CLOSURE';
  const isBlock = node.body.type === 'BlockStatement';
  const body = isBlock ? node.body.body : [node.body];
  const line = node.loc.start.line;
  const args = node.params.flatMap(bound).map((n) => symbol(n, 'ARG', line));
  const locals = [...declared(body)].map(([n, at]) => symbol(n, 'LOCAL', at));
  return scope(type, name, path, line, node.loc.end.line, {
    has_injectible_lines: true,
    injectible_lines: ranges(isBlock ? statementLines(body) : [node.body.loc.start.line]),
    language_specifics: { function_type: functionType(node), ...specifics },
    symbols: [...args, ...locals],
    scopes: scopesIn([...node.params, ...body], type, path),
  });
}

function functionType({ type, async, generator }) {
  if (async) return generator ? 'async_generator' : 'async';
  if (generator) return 'generator';
  return type === 'ArrowFunctionExpression' ? 'arrow' : 'function';
}

/** The names that a pattern binds. */
function bound(pattern) {
  switch (pattern?.type) {
    case 'Identifier': return [pattern.name];
    case 'AssignmentPattern': return bound(pattern.left);
    case 'RestElement': return bound(pattern.argument);
    case 'ArrayPattern': return pattern.elements.flatMap(bound);
    case 'ObjectPattern': return pattern.properties.flatMap((p) => bound(p.value ?? p));
    default: return [];
  }
}

/** Names that some nodes declare as variables, with the line, inner functions apart. */
function declared(nodes, found = new Map()) {
  for (const node of nodes) {
    if (node.type === 'VariableDeclarator') {
      for (const name of bound(node.id)) if (!found.has(name)) found.set(name, node.loc.start.line);
    }
    if (!isFunction(node) && !isClass(node)) declared(children(node), found);
  }
  return found;
}

function statementLines(nodes, found = new Set()) {
  for (const node of nodes) {
    if (/Statement$|Declaration$/.test(node.type) && node.type !== 'BlockStatement') found.add(node.loc.start.line);
    if (!isFunction(node) && !isClass(node)) statementLines(children(node), found);
  }
  return found;
}

function* children(node) {
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === 'string') yield child;
    }
  }
}

/** Lines as ranges that include both ends. */
function ranges(lines) {
  const found = [];
  for (const line of [...lines].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last?.end === line - 1) last.end = line;
    else found.push({ start: line, end: line });
  }
  return found;
}

const gitHash = (content) => createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
