"""Small files that fastText and gensim wrote, and what they hold."""

from __future__ import annotations

import base64
import zlib

#: Two dimensions, 7 buckets, n-grams of 2 to 4 letters.
FASTTEXT = zlib.decompress(
    base64.b64decode(
        b"eNrbJeavz8PAwMAExKxAzAjFMDYTFLNDaRYgTgFiXWeZ14/MpOxZoGIgEACl/0NBSUYqgwhUjCH58JISBK84"
        b"EYljo19sh+AxcENpJii9oOzKPrfGE3Yw2vHtin09TBPtDh+v2reE3diOZavyvniRDttOl5l7Bc9q713Grm6z"
        b"44PkvmK2w7Zi5S37fk61sLvwdfe+mCvtdl0ln/ftjt1st4fnqh3c3UwMxAEAZ2s/cg=="
    )
)
#: The directions of its words, as the library gives them.
DIRECTIONS = {
    "the": [0.11524, -0.993338],
    "cät": [0.830546, -0.55695],
    "sat": [0.950299, -0.311338],
    "</s>": [-0.813885, 0.581026],
}
#: ``KeyedVectors`` of "a", "ä" and "c d" with ``np.arange(9).reshape(3, 3)``; the second has its
#: vectors beside it.
GENSIM = zlib.decompress(
    base64.b64decode(
        b"eNo9Uktv00AQzqOPNEQqQoJDTz5wSEW9tR3XKRESoByQasgBIS6oWm3sTbyqvbbsdYiRkMqBR6W9oA53DvwQ"
        b"JP4IN34GjJ2K1c5KM/PNzjff7uXWtz+dVrP0wZLLQiQkSUMeF+SCVzxc8UCleQF64Nfu6xv3Gg4/wHsY6lsb"
        b"AC3EOw5+Vw+EDPmaqpRiOZwjos1Ad379AN0NjBC47ku+VrSBgd/SA8TV8E0Ar4x6fiva89tR3++Uevc/gXuy"
        b"TLKK0CDNOUnKWAmW56xCZjTnQSoLlZeBQmZ6u0GC3pXhBnKNjT7CtD2Hz/AShn7b7/rdTxDd0duhqjJeF3UW"
        b"Llx92eS7uv0IZrPZ2V9czeG3FMyvpvc3Sl0+xuMJbrRLtO9oP9F+o7WeAkKRQ5onBcx0j68zJsO0wNn0IGHZ"
        b"QsScZkxFmLwdiwUPqgAjfMWlKlCxWtX9hWQJp6hrhLUxB71/rJLsWKVpXBwvycUKdL/gGcuZ4jGOujVLJaL2"
        b"MEZjkQgFZ0irpXfEEolwGH4F3QsRrESCuAPHcjzTtk3HfWWNJpY1scbEc13bsUHvbL4B6ugSl1gYyCoVpRK0"
        b"PSK2TcbGMGFCHhkvWGUYD436riPDGk9GJxPn5NB482w6NWyHOMQ6x65ZzNQCxQD94LmQ5dr0iH1KXNdcBObK"
        b"Oxmb61OPeq75VqjIXMZiHjhk5GH3RhHsXrCVkEsome5R2jxtLVPtFIG4cfqUbiYNG/curf9EmRdixSnW8zhl"
        b"Taack3/8qBHL"
    )
)
GENSIM_IN_PARTS = zlib.decompress(
    base64.b64decode(
        b"eNp1kk1v0zAYx7Puha5U2i7TRIUgvEmdWNwkTdPR6w5IBHZCXNBkeYlbW0ucqHFCg4QE9+eCeHbnwDfhi+G0"
        b"ReKCb8/fv+ftb3/du7vrWOsDgwVXpcxIlic8Lcktb3hS81jnyxKhH7Xhh234A8++4Rccwv0NQEv5mWO0C32p"
        b"Er6iOqcmHa8NscMQOr9/IezGdoIceoqvNF1jGFnQN1yLbwRTUnQjSxxGO6IXdSrYV/kyK/EKunxVMJXkpWGg"
        b"n7FiLlNOC6aFuTxO5ZzHTWwUXnOly7ZzO97RXLGMUzOgMMkpRzga6awY6TxPy9GC3NYIvZIXbMk0TxuEvatc"
        b"GerQaDSVmdT4xrJ+WnAgF2YSjsPvCN3EwFpmhhv4rh86nuf4wXt3PHPdmTslYRB4vodwsPETYT8gAXGNUDRa"
        b"5ArBGxPPI1N7mDGpzu13rLHtV3Zb69x2p7PxZOZPzuyPry8vbc8nPnGvTdciZXpu3EB4+VaqauWExLsgQeDM"
        b"Y6cOJ1NndRHSMHA+SS2cRSpvYp+MQ9N9bYnpXrJaqgVWrckncPyvEX7rhDjdri8emCcYmFXFw/9tGIbTMYpH"
        b"4rGwxRPxVDwTz8WLikOXUlVlRdO+ANz7+3tYq5ex3Oo9Sjd2JuvwhNIlj6tlKWtOzZA8zdn6prohfwBvIuwW"
    )
)
