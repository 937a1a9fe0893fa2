"""The tree of RFC 9162: published values, and the laws of its proofs."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.evidence.merkle import (
    MAX_LEAVES,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    node_hash,
    root_of,
)

# The eight leaves with which Certificate Transparency's implementations are tested, and their roots by size.
PUBLISHED = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = st.integers(1, 70)


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


def by_definition(data: list[bytes]) -> bytes:
    """MTH as section 2.1.1 writes it."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\0" + data[0]).digest()
    k = 1
    while k * 2 < len(data):
        k *= 2
    return hashlib.sha256(b"\1" + by_definition(data[:k]) + by_definition(data[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots_come_out(size: int) -> None:
    assert root_of([leaf_hash(data) for data in PUBLISHED[:size]]).hex() == ROOTS[size]


@given(st.lists(st.binary(max_size=9), max_size=70))
def test_the_root_is_that_of_the_definition(data: list[bytes]) -> None:
    assert root_of([leaf_hash(item) for item in data]) == by_definition(data)


@given(st.data(), SIZES)
def test_every_leaf_has_a_proof_and_nothing_else_has(data: st.DataObject, size: int) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(leaves, index), root_of(leaves)
    assert is_included(leaves[index], index, size, proof, root)
    assert not is_included(leaf_hash(b"other"), index, size, proof, root)
    assert not is_included(leaves[index], index, size, [*proof, root], root)
    assert not is_included(leaves[index], index, size, proof, leaf_hash(b"other"))
    if size > 1:
        other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index))
        assert not is_included(leaves[index], other, size, proof, root)
        assert not is_included(leaves[index], index, size, proof[:-1], root)
        at = data.draw(st.integers(0, len(proof) - 1))
        flipped = [bytes([h[0] ^ 1]) + h[1:] if i == at else h for i, h in enumerate(proof)]
        assert not is_included(leaves[index], index, size, flipped, root)


@given(st.data(), SIZES)
def test_every_earlier_tree_is_shown_to_be_the_beginning_and_no_other_is(data: st.DataObject, size: int) -> None:
    leaves = leaves_of(size)
    earlier = data.draw(st.integers(1, size))
    proof, old, new = consistency_proof(leaves, earlier), root_of(leaves[:earlier]), root_of(leaves)
    assert is_consistent(earlier, size, proof, old, new)
    assert not is_consistent(earlier, size, proof, leaf_hash(b"other"), new)
    assert not is_consistent(earlier, size, proof, old, leaf_hash(b"other"))
    assert not is_consistent(earlier, size, [*proof, old], old, new)
    forked = [*leaves[: earlier - 1], leaf_hash(b"rewritten"), *leaves[earlier:]]
    assert not is_consistent(earlier, size, consistency_proof(forked, earlier), old, root_of(forked))
    if proof:
        assert not is_consistent(earlier, size, proof[:-1], old, new)


def test_a_leaf_can_not_be_passed_off_as_a_node() -> None:
    left, right = leaves_of(2)
    assert leaf_hash(left + right) != node_hash(left, right)


def test_sizes_indices_and_hashes_out_of_bounds_prove_nothing() -> None:
    (leaf,) = leaves_of(1)
    assert is_included(leaf, 0, 1, [], leaf)
    for index, size in ((-1, 1), (1, 1), (0, 0), (0, MAX_LEAVES + 1)):
        assert not is_included(leaf, index, size, [], leaf)
    assert not is_included(leaf, 0, 2, [b"short"], leaf)
    assert not is_included(leaf, 0, 2, [leaf] * 100, leaf)
    assert not is_consistent(0, 1, [], leaf, leaf)
    assert not is_consistent(2, 1, [], leaf, leaf)
    with pytest.raises(ValueError, match="no leaf 1"):
        inclusion_proof([leaf], 1)
    with pytest.raises(ValueError, match="no tree of 2"):
        consistency_proof([leaf], 2)
