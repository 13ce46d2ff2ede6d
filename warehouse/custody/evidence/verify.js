// Checks a Tanlian evidence pack offline: every row to its mart's root, the root to the release's seal, the seal to its chain hash.
// Written apart from the Python that makes packs: it shares no code with it, SHA-256 (FIPS 180-4) included.
//   node verify.js PACK [ANCHOR]     PACK: a folder, a .zip or evidence.json; exit code 0 good, 3 not
"use strict";

const ROUND = [], START = [];
(function constants() {
  const part = (x) => Math.floor((x - Math.floor(x)) * 4294967296);
  for (let n = 2; ROUND.length < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (START.length < 8) START.push(part(Math.sqrt(n)));
    ROUND.push(part(Math.cbrt(n)));
  }
})();

function sha256(bytes) {
  const length = bytes.length, padded = new Uint8Array(((length + 72) >> 6) << 6);
  padded.set(bytes);
  padded[length] = 0x80;
  const view = new DataView(padded.buffer), h = START.slice(), w = new Array(64);
  view.setUint32(padded.length - 8, Math.floor(length / 536870912));
  view.setUint32(padded.length - 4, (length << 3) >>> 0);
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const a = w[i - 15], b = w[i - 2];
      w[i] = (w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + w[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10))) | 0;
    }
    let [a, b, c, d, e, f, g, k] = h;
    for (let i = 0; i < 64; i++) {
      const one = (k + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[i] + w[i]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      k = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
    }
    [a, b, c, d, e, f, g, k].forEach((x, i) => { h[i] = (h[i] + x) | 0; });
  }
  const out = new DataView(new ArrayBuffer(32));
  h.forEach((x, i) => out.setInt32(4 * i, x));
  return new Uint8Array(out.buffer);
}

const utf8 = (text) => new TextEncoder().encode(text);
const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
function unhex(text) {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new TypeError("no hash: " + text);
  return Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
}
function join(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
const leafHash = (data) => sha256(join(Uint8Array.of(0), data));
const nodeHash = (left, right) => sha256(join(Uint8Array.of(1), left, right));

// RFC 9162, section 2.1.3.2; null where it is no proof for that place of a tree of that size.
function rootOfPath(leaf, index, size, path) {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return null;
  let place = index, last = size - 1, found = leaf;
  const half = (x) => Math.floor(x / 2);
  for (const beside of path.map(unhex)) {
    if (last === 0) return null;
    if (place % 2 === 1 || place === last) {
      found = nodeHash(beside, found);
      while (place % 2 === 0 && place !== 0) { place = half(place); last = half(last); }
    } else {
      found = nodeHash(found, beside);
    }
    place = half(place); last = half(last);
  }
  return last === 0 ? hex(found) : null;
}

function partHash(part) {
  if ("hash" in part) return unhex(part.hash);
  return sha256(utf8(part.salt + part.json));
}

const same = (a, b) => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
function sorted(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

function checkRows(mart, tree, rows) {
  const faults = [], seen = new Set();
  rows.forEach((row, number) => {
    const leaf = leafHash(join(partHash(row.open), partHash(row.restricted)));
    const root = rootOfPath(leaf, row.index, tree.size, row.path);
    if ("hash" in row.open || row.open.salt.length !== 64 || seen.has(row.index) || root !== tree.root) faults.push(`row ${mart} ${number}`);
    seen.add(row.index);
  });
  return faults;
}

function isAnchored(evidence, anchor) {
  const found = /tanlian-anchor\/1 release=([\w.-]+) chain=([0-9a-f]{64}) ledger=\d+:([0-9a-f]{64}|-)/.exec(anchor);
  if (!found) return false;
  const { release, custody } = evidence;
  return (found[1] === release.release_id && found[2] === custody.chain)
    || (found[1] === release.parent_release_id && found[2] === custody.parent_chain);
}

function checkEvidence(evidence, anchor) {
  const faults = [], custody = evidence.custody;
  let rowCount = 0;
  if (evidence.format !== "tanlian-evidence/1" || !evidence.marts.some((mart) => mart.rows.length)) faults.push("empty");
  for (const mart of evidence.marts) {
    const leaf = JSON.parse(mart.leaf);
    if (rootOfPath(leafHash(utf8(mart.leaf)), mart.index, mart.size, mart.path) !== custody.seal_root) faults.push(`seal_root ${mart.mart}`);
    const links = ["tanlian-release/1", custody.parent_chain, leaf.release.release_id, custody.body_hash, custody.seal_root];
    if (hex(sha256(utf8(links.join("\n")))) !== custody.chain) faults.push(`chain ${mart.mart}`);
    if (!same(leaf.release, evidence.release) || leaf.tree.mart !== mart.mart) faults.push(`leaf ${mart.mart}`);
    faults.push(...checkRows(mart.mart, leaf.tree, mart.rows));
    rowCount += mart.rows.length;
  }
  if (anchor && !isAnchored(evidence, anchor)) faults.push("anchor");
  return { faults, rowCount, martCount: evidence.marts.length, releaseId: evidence.release.release_id };
}

function checkFiles(files) {
  const metadata = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(files.get("ro-crate-metadata.json")));
  const listed = new Map(metadata["@graph"].filter((entity) => entity["@type"] === "File").map((entity) => [entity["@id"], entity.sha256]));
  const faults = new Set();
  for (const [name, digest] of listed) if (!files.has(name) || hex(sha256(files.get(name))) !== digest) faults.add(name);
  for (const name of files.keys()) if (!listed.has(name) && name !== "ro-crate-metadata.json") faults.add(name);
  return [...faults].sort().map((name) => `file ${name}`);
}

function checkPack(files, anchor) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(files.get("evidence.json"));
    const checked = checkEvidence(JSON.parse(text), anchor);
    if (files.size > 1) checked.faults.unshift(...checkFiles(files));
    return checked;
  } catch (error) {
    return { faults: [`unreadable ${error.name}`], rowCount: 0, martCount: 0, releaseId: "" };
  }
}

function readZip(bytes) {
  const inflate = require("node:zlib").inflateRawSync, view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length), files = new Map();
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    const method = view.getUint16(at + 10, true), size = view.getUint32(at + 20, true);
    const [named, extra, note, local] = [28, 30, 32].map((o) => view.getUint16(at + o, true)).concat(view.getUint32(at + 42, true));
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + named));
    const from = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const packed = bytes.subarray(from, from + size);
    files.set(name, method === 0 ? packed : new Uint8Array(inflate(packed)));
    at += 46 + named + extra + note;
  }
  return files;
}

function readPack(path) {
  const fs = require("node:fs"), join = require("node:path").join;
  if (fs.statSync(path).isDirectory()) {
    const names = fs.readdirSync(path).filter((name) => fs.statSync(join(path, name)).isFile());
    return new Map(names.map((name) => [name, new Uint8Array(fs.readFileSync(join(path, name)))]));
  }
  const bytes = new Uint8Array(fs.readFileSync(path));
  return path.endsWith(".zip") ? readZip(bytes) : new Map([["evidence.json", bytes]]);
}

if (typeof require === "function" && typeof module === "object" && require.main === module) {
  let checked;
  try {
    checked = checkPack(readPack(process.argv[2] || "."), process.argv[3]);
  } catch (error) {
    checked = { faults: [`unreadable ${error.name}`], rowCount: 0, martCount: 0, releaseId: "" };
  }
  process.stdout.write(JSON.stringify(checked) + "\n");
  process.exitCode = checked.faults.length ? 3 : 0;
}
