"""Tensors of torch, arrays of jax: the core's answer, in their library, from the same memory."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from isomorph._neighbour_libraries import NEIGHBOURS
from isomorph.errors import DTypeError, NonFiniteError
from support.contracts import array_parts, content
from support.every import both_types, every_argument, every_contract


def to_torch(array):
    import torch

    return torch.from_numpy(np.array(array))


def to_jax(array):
    import jax

    # Without this jax has no float64.
    jax.config.update("jax_enable_x64", True)
    return jax.numpy.asarray(array)


def address(tensor) -> int:
    """Return where the first value lies."""
    for name in ("data_ptr", "unsafe_buffer_pointer"):
        if hasattr(tensor, name):
            return getattr(tensor, name)()
    return tensor.ctypes.data


def only_with(library):
    return pytest.mark.skipif(find_spec(library) is None, reason=f"needs {library}")


with_torch = only_with("torch")
every_library = pytest.mark.parametrize(
    "convert",
    [
        pytest.param(to_torch, id="torch", marks=with_torch),
        pytest.param(to_jax, id="jax", marks=only_with("jax")),
    ],
)


def everywhere(contract) -> bool:
    return contract.takes_array_api


def tensors_of(contract, convert, dtype="float32"):
    return {name: convert(array) for name, array in contract.arrays(dtype).items()}


@every_library
@every_contract(everywhere)
@both_types
def test_the_answer_is_numpys_in_the_library_of_the_input(contract, dtype, convert):
    tensors = tensors_of(contract, convert, dtype)
    found = contract.call(**tensors)
    kind = type(next(iter(tensors.values())))
    for path, array in array_parts(found):
        held = np.ndarray if path.rsplit(".", 1)[-1] in contract.on_host else kind
        assert isinstance(array, held), path
    expected = contract.call(**contract.arrays(dtype))
    if contract.name == "vocab.factorize":
        # Of the factors, the contract itself makes the product that is unique.
        np.testing.assert_allclose(found, expected, rtol=0, atol=64 * np.finfo(dtype).eps)
    else:
        assert content(found) == content(expected)


@every_library
@every_contract(everywhere)
@both_types
def test_memory_is_shared_both_ways(contract, dtype, convert, monkeypatch):
    """What the function sees lies where the tensors lie, and what it answers stays where it is."""
    (library,) = (one for one in NEIGHBOURS.values() if one.owns(type(convert(np.zeros(2)))))
    seen, made = set(), []

    def view(name, tensor, of=library.view):
        array = of(name, tensor)
        seen.add(address(array))
        return array

    def tensor(array, of=library.tensor):
        made.append((array, of(array)))
        return made[-1][1]

    monkeypatch.setattr(library, "view", view)
    monkeypatch.setattr(library, "tensor", tensor)
    tensors = tensors_of(contract, convert, dtype)
    contract.call(**tensors)
    assert {address(one) for one in tensors.values()} <= seen
    for array, one in made:
        if may_share(library, array):
            assert address(one) == address(array)


def may_share(library, array) -> bool:
    """Whether a library's tensors may have the memory of an array."""
    ours = array.size and array.flags.writeable and min(array.strides, default=0) >= 0
    # jax wants C order and its own alignment; it copies what is laid out otherwise.
    return ours and (
        library.name == "torch" or (array.flags.c_contiguous and address(array) % 64 == 0)
    )


def in_any_type(contract) -> bool:
    """Masses that are rounded have other sums."""
    return everywhere(contract) and "a" not in contract.arguments


@with_torch
@every_contract(in_any_type)
def test_bfloat16_is_widened_to_float32(contract):
    narrow = {name: one.bfloat16() for name, one in tensors_of(contract, to_torch).items()}
    wide = {name: one.float() for name, one in narrow.items()}
    assert content(contract.call(**narrow)) == content(contract.call(**wide))


@only_with("jax")
@every_contract(in_any_type)
def test_bfloat16_of_jax_is_widened_to_float32(contract):
    narrow = {name: x.astype("bfloat16") for name, x in tensors_of(contract, to_jax).items()}
    wide = {name: one.astype("float32") for name, one in narrow.items()}
    assert content(contract.call(**narrow)) == content(contract.call(**wide))


def fortran(tensor):
    return tensor.mT.contiguous().mT if tensor.ndim > 1 else tensor


def strided(tensor):
    wide = tensor.repeat_interleave(2, -1)
    return wide[..., ::2]


def negated(tensor):
    """Give a tensor whose memory has the other sign, and a mark to say so."""
    import torch

    halves = torch.complex(torch.zeros_like(tensor), -tensor).conj().imag
    assert halves.is_neg()
    return halves


@with_torch
@every_contract(everywhere)
@pytest.mark.parametrize("layout", [fortran, strided, negated], ids=lambda layout: layout.__name__)
def test_the_layout_of_a_tensor_does_not_matter(contract, layout):
    tensors = tensors_of(contract, to_torch)
    laid_out = {name: layout(tensor) for name, tensor in tensors.items()}
    before = {name: tensor.clone() for name, tensor in laid_out.items()}
    assert content(contract.call(**laid_out)) == content(contract.call(**tensors))
    assert all(bool((laid_out[name] == before[name]).all()) for name in before)


@every_library
@every_contract(lambda contract: everywhere(contract) and len(contract.arguments) > 1)
def test_libraries_are_not_mixed(contract, convert):
    arrays = contract.arrays()
    tensors = tensors_of(contract, convert)
    *_, last = arrays
    name = "torch" if convert is to_torch else "jax"
    with pytest.raises(DTypeError, match=rf"(numpy on cpu.*{name} on cpu|{name} on cpu.*numpy on)"):
        contract.call(**arrays | {last: tensors[last]})
    with pytest.raises(DTypeError, match=rf"(numpy on cpu.*{name} on cpu|{name} on cpu.*numpy on)"):
        contract.call(**tensors | {last: arrays[last]})


@with_torch
@every_argument()
def test_gradients_are_refused_by_name(contract, argument):
    if not everywhere(contract):
        pytest.skip("takes NumPy arrays")
    tensors = tensors_of(contract, to_torch)
    tensors[argument].requires_grad_()
    with pytest.raises(DTypeError, match=r"without gradients.*\.detach\(\)"):
        contract.call(**tensors)
    contract.call(**tensors | {argument: tensors[argument].detach()})


@every_library
@every_argument(lambda argument: argument.finite)
def test_a_nan_is_found(contract, argument, convert):
    if not everywhere(contract):
        pytest.skip("takes NumPy arrays")
    arrays = contract.arrays()
    arrays[argument].reshape(-1)[-1] = np.nan
    with pytest.raises(NonFiniteError, match=f"^{argument}: "):
        contract.call(**{name: convert(array) for name, array in arrays.items()})
