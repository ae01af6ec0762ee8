"""Equal-Info Windows (Lester et al., arXiv 2404.03626): text cut where an arithmetic code fills W bits.

The coder and its model start afresh with every window, so that W bits can be read on their own. An interval is coded
until the next byte would need more than W bits; how the bits left over are filled decides whether a window can be
read back. With T(I) the length of the shortest code inside I, and a window's value v taken as the point v / 2^W:

- "greedy", the paper's own: the longest prefix that fits, then zeros. The decoder takes the longest prefix whose
  padded code is v. *Not lossless*: a likely byte may be added to a prefix without changing v.
- "delay" (appendix A.5): the shortest prefix with that same padded code; the decoder stops at the first match.
- "pad" (ours): the decoder reads on at the point v until the next symbol's interval has no code of W bits. The encoder
  picks a v where that happens after the right symbol, for the longest prefix that has one.

What no window can hold, a byte outside the model's alphabet or one without a v, takes two: the escape, then the byte.

All streams advance in lockstep, one byte and one step of the model at a time. Intervals live in a frame of 48 bits;
when a size falls to 2^32 the frame moves on by 16 bits and a limb of the lower end is put aside.
"""

from lib.data.coding.window_decoder import decode_windows, parse_windows
from lib.data.coding.window_encoder import encode_windows
from lib.data.coding.windows import ESCAPE, MODES, NO_TEXT, Windows, check_window, start_table

__all__ = [
    "ESCAPE",
    "MODES",
    "NO_TEXT",
    "Windows",
    "check_window",
    "decode_windows",
    "encode_windows",
    "parse_windows",
    "start_table",
]
