/** The vectors of RFC 6962 that the project has, right ones and wrong ones. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { checkConsistency, checkInclusion, leafHash, Refuted, rootOf } from "../src/proof.js";

interface Vector {
  desc: string;
  proof: string[] | null;
  wantErr: boolean;
}
interface Inclusion extends Vector {
  leafIdx: bigint;
  treeSize: bigint;
  root: string;
  leafHash: string;
}
interface Consistency extends Vector {
  size1: bigint;
  size2: bigint;
  root1: string;
  root2: string;
}

function vectors<Kind extends Vector>(name: string): [string, Kind][] {
  const path = new URL(`../../../../tests/data/merkle/${name}.json`, import.meta.url);
  // Indices go up to 2^64 - 1, which no number of JavaScript is.
  const exact = readFileSync(path, "utf8").replace(
    /("(?:leafIdx|treeSize|size\d)": )(\d+)/g,
    '$1"$2"',
  );
  const read = JSON.parse(exact, (key, value) =>
    /^(leafIdx|treeSize|size\d)$/.test(key) ? BigInt(value) : value,
  );
  return Object.entries<Kind>(read);
}

const bytes = (text: string | null) => Buffer.from(text ?? "", "base64");

function judge<Kind extends Vector>(
  name: string,
  check: (one: Kind, proof: Buffer[]) => void,
): void {
  test(`each of the proofs in ${name}.json is taken or refused as it should be`, () => {
    const all = vectors<Kind>(name);
    assert.equal(all.length, 98);
    for (const [title, one] of all) {
      const proof = (one.proof ?? []).map(bytes);
      if (one.wantErr) assert.throws(() => check(one, proof), Refuted, title);
      else assert.doesNotThrow(() => check(one, proof), title);
    }
  });
}

judge<Inclusion>("inclusion", (one, proof) =>
  checkInclusion(bytes(one.leafHash), one.leafIdx, one.treeSize, proof, bytes(one.root)),
);

judge<Consistency>("consistency", (one, proof) =>
  checkConsistency(one.size1, bytes(one.root1), one.size2, bytes(one.root2), proof),
);

test("the roots of trees of one to three leaves are those of docs/reference/record-format.md", () => {
  const leaves = [
    "22f61b2645ca16cfe7f34c7b7e2a0ad7380a059a0ede6d7a337bc93f828bdf63",
    "20335c64d109e3c5a2376f891c79b6bebcd9191caa969152acba3acf19ca9dbf",
    "0e9cc678ab7342dbe8a1316fc46931633ff2004d645248b5d33e5f80af2523e3",
  ].map((one) => Buffer.from(one, "hex"));

  assert.equal(rootOf([]).length, 32);
  assert.equal(rootOf(leaves.slice(0, 1)), leaves[0]);
  const two = Buffer.from(rootOf(leaves.slice(0, 2))).toString("hex");
  assert.equal(two, "49083bc4093537ffbb6d7631b83286ea15b5cf2d3bbfead9151b23c1798a1483");
  const three = Buffer.from(rootOf(leaves)).toString("hex");
  assert.equal(three, "3e01bdfcb9244b866ba48d036f3c00af034a42828342b872d581af65f37c6184");
});

test("the leaf of an entry is that of docs/reference/record-format.md", () => {
  const header =
    "0a0574616c6b7310011a0608bcf2d6ca062220736789aea8f9a567dadc1b867c9b88d9c0e6fe1f5f574d3f90b984bcb432d8ae2220747ea9e434f1bb63e9417cc3f2b2ddd088c3908aa2c261ab3579958c7865c95b2801";

  const leaf = leafHash(Buffer.from(header, "hex")).toString("hex");

  assert.equal(leaf, "22f61b2645ca16cfe7f34c7b7e2a0ad7380a059a0ede6d7a337bc93f828bdf63");
});
