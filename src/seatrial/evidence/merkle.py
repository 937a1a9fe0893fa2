"""The Merkle tree of RFC 9162, section 2.1: root, inclusion proofs, consistency proofs.

    HASH   SHA-256
    leaf   HASH(0x00 || data)
    node   HASH(0x01 || left || right)
    MTH    of no leaf HASH(""), of one leaf its hash, of n leaves node(MTH(first k), MTH(the others)),
           k the largest power of two below n

The prefixes keep a leaf from being passed off as a node. Everything here is a pure function; sizes and indices are
counts of leaves. Verification follows sections 2.1.3.2 and 2.1.4.2, generation 2.1.3.1 and 2.1.4.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = [
    "HASH_BYTES",
    "MAX_LEAVES",
    "consistency_proof",
    "inclusion_proof",
    "is_consistent",
    "is_included",
    "leaf_hash",
    "node_hash",
    "root_of",
]

HASH_BYTES = 32
MAX_LEAVES = 2**40
"""Larger trees are not believed: a proof's length stays below 2 × 40 hashes."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its two children."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, in their order; that of an empty tree where there is none."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = list(leaves)
    # Pairs are joined level by level and a node without a partner moves up as it is, which gives the same tree.
    while len(level) > 1:
        joined = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = joined if len(level) % 2 == 0 else [*joined, level[-1]]
    return level[0]


def _split(size: int) -> int:
    """Return the largest power of two below ``size``, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from leaf ``index`` to the root, the nearest first; empty for a tree of one.

    Raises:
        ValueError: There is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise ValueError(f"no leaf {index} among {len(leaves)}")
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*inclusion_proof(leaves[:k], index), root_of(leaves[k:])]
    return [*inclusion_proof(leaves[k:], index - k), root_of(leaves[:k])]


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Return whether the proof leads from leaf hash ``leaf`` at ``index`` to ``root`` in a tree of ``size`` leaves."""
    if not 0 <= index < size <= MAX_LEAVES or not _are_hashes(proof):
        return False
    first, last, found = index, size - 1, leaf
    for hashed in proof:
        if last == 0:
            return False
        if first % 2 or first == last:
            found = node_hash(hashed, found)
            while not first % 2 and first:
                first, last = first >> 1, last >> 1
        else:
            found = node_hash(found, hashed)
        first, last = first >> 1, last >> 1
    return last == 0 and found == root


def consistency_proof(leaves: Sequence[bytes], earlier: int) -> list[bytes]:
    """Return the hashes that show that the first ``earlier`` leaves are the whole of an earlier tree.

    Empty where both trees have one size.

    Raises:
        ValueError: ``earlier`` is below 1 or beyond the leaves.
    """
    if not 0 < earlier <= len(leaves):
        raise ValueError(f"no tree of {earlier} among {len(leaves)} leaves")
    return _subproof(leaves, earlier, whole=True)


def _subproof(leaves: Sequence[bytes], earlier: int, *, whole: bool) -> list[bytes]:
    if earlier == len(leaves):
        return [] if whole else [root_of(leaves)]
    k = _split(len(leaves))
    if earlier <= k:
        return [*_subproof(leaves[:k], earlier, whole=whole), root_of(leaves[k:])]
    return [*_subproof(leaves[k:], earlier - k, whole=False), root_of(leaves[:k])]


def is_consistent(earlier: int, size: int, proof: Sequence[bytes], earlier_root: bytes, root: bytes) -> bool:
    """Return whether the proof shows that the tree of ``size`` leaves begins with that of ``earlier`` leaves.

    An earlier tree of no leaf proves nothing and is refused: whoever has none has nothing to compare.
    """
    if not 0 < earlier <= size <= MAX_LEAVES or not _are_hashes(proof):
        return False
    if earlier == size:
        return not proof and earlier_root == root
    path = list(proof)
    if earlier & (earlier - 1) == 0:
        path.insert(0, earlier_root)
    if not path:
        return False
    first, last = earlier - 1, size - 1
    while first % 2:
        first, last = first >> 1, last >> 1
    old = new = path[0]
    for hashed in path[1:]:
        if last == 0:
            return False
        if first % 2 or first == last:
            old, new = node_hash(hashed, old), node_hash(hashed, new)
            while not first % 2 and first:
                first, last = first >> 1, last >> 1
        else:
            new = node_hash(new, hashed)
        first, last = first >> 1, last >> 1
    return last == 0 and old == earlier_root and new == root


def _are_hashes(proof: Sequence[bytes]) -> bool:
    return len(proof) <= 2 * MAX_LEAVES.bit_length() and all(len(hashed) == HASH_BYTES for hashed in proof)
