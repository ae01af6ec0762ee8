"""What mends the blur between scales: a convolution mixed with the identity, shared by the released rule."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib.nn import MultiScaleQuantizer, phi_owner
from lib.nn.vision.phi import Phi, make_phi


@pytest.mark.parametrize(
    ("scales", "owner"),
    [
        (1, "0"), (3, "023"), (4, "0123"), (5, "01223"), (6, "001233"), (7, "0012233"), (8, "00112233"),
        (10, "0011122333"), (14, "00011112222333"),
    ],
)  # fmt: skip
def test_scales_share_phi_by_the_released_rule(scales, owner):
    assert "".join(map(str, phi_owner(scales))) == owner


@pytest.mark.parametrize("share_phi", [None, 0, 1, 4])
def test_each_way_of_sharing_phi_gives_every_scale_one(share_phi):
    torch.manual_seed(0)
    quantizer = MultiScaleQuantizer(10, 3, (1, 2, 3, 4), share_phi=share_phi)
    parts = {id(quantizer.quant_resi[scale]) for scale in range(4)}
    weights = sum(name.startswith("quant_resi") and name.endswith("weight") for name in quantizer.state_dict())
    assert len(parts) == (share_phi or 4) and weights == {None: 0, 0: 4, 1: 1, 4: 4}[share_phi]
    moved = quantizer.double()(torch.randn(2, 3, 4, 4, dtype=torch.float64)).loss
    assert moved.isfinite()


def test_phi_mixes_a_convolution_with_the_identity():
    torch.manual_seed(0)
    h = torch.randn(2, 3, 5, 5)
    for rho in (0.0, 0.5, 1.0):
        phi = Phi(3, rho)
        wanted = (1 - rho) * h + rho * F.conv2d(h, phi.weight, phi.bias, padding=1)
        torch.testing.assert_close(phi(h), wanted)


def test_a_few_phi_serve_the_scales_that_own_them():
    phis = make_phi(3, 10, 4)
    assert [phis.qresi_ls[owner] is phis[scale] for scale, owner in enumerate(phi_owner(10, 4))] == [True] * 10
    assert phi_owner(6, 2) == [0, 0, 0, 1, 1, 1] and phi_owner(1, 3) == [0]
    shared, none = make_phi(3, 5, 1), make_phi(3, 5, None)
    h = torch.randn(1, 3, 4, 4)
    assert shared[0] is shared[4] and torch.equal(none[2](h), h)
    with pytest.raises(ValueError, match=r"^share_phi must be at least 0, or None for no phi, got -1$"):
        make_phi(3, 5, -1)
