"""Small files that PyTorch 2 wrote, as it writes now ("new") and as it did before 1.6 ("old")."""

from __future__ import annotations

import base64
import zlib

#: ``np.arange(6.0).reshape(2, 3)`` as an array; as float32 a transposed tensor, and bfloat16.
_WRITTEN = {
    ("new", "array"): (
        b"eNqdVL9v00AUPtuNEww0SalU0aFzBnDtJLUdQZUqQ4SwFEWREBFL5NjXxKpj5y6XojAhobZULEjs/A1siIGJ"
        b"v6ALExsSEgusbHAXh9R2lBb6pPPzj/ve+957n69pCisAZDJgwXJgDVjY7ruHcNuxiCUPD7x6bRU8idlz3vbH"
        b"g+FE7tgBhvJg7BHXwtiaSB0M7cAfETy2iYRAuE3ynfAr4kxwhHibwhxojyTosxsJCW2O5u6ilbZIvWcR11dR"
        b"6hiJLZQ+QZkWulYwOZM3hWMkzUI6ZDKkyOttniL2DXTj9OUJutlCqwUzjHYfZRuNxsPf1KYXExCU6572hba6"
        b"UPWnd9XZ3V7oMjOfm/n1PZTvU0JrLXSLoPWu3DTTmY8ffrzmaSq2mks7ugEq847K+wEeWKRzCPHIDfx6bSfR"
        b"2H80laV///PLC1YoW8vTbwL9PP2IBNjqwY7luT1/AH1Sr5WuwkArMwLVp+g76z5/IYE8qM4JdCcEBtiBuF67"
        b"d7XKQ/NcQjzIOBztfr3NNCNeyCELducc5r2vXJ1BSWK5z972Hl1e/xYong+A/VLbI4hdOoFnVOaB33Gdek3+"
        b"TypKsaIYZc3QdF3XipViSVXKiqIYuqYpO/R1WVEN1SgajOUD/dvjAuVRmLLk+Km8ZzyjCs4tME+eA0l0VIAb"
        b"MWSLA8s0nwwSFdFmLMhZNMiCcpNxokLIx8nwYFGASXh0ltkY/HMEvqSGaIu34rkFcMnwm6Yo3vkrFeHuHCkm"
        b"/Bsu9L+E0FNcmvlXqfA5PAVSYogRp/vDvX8AcktQRw=="
    ),
    ("new", "tensor"): (
        b"eNqlVD1v00AYPtuNE4yUfggppRKVmAiCpnbiOAkIUlnIi4VIg0ARi+U612Dhxj37EgRTJEQFG6wMiIH/wE9g"
        b"RCAGBiYY+FhYGbmLqWtfW5ePVz6fEr/P8z7v+XndMYUZAAoFsC/mwAKwA+e2O4arfRvble07nqEXwa1UTHgH"
        b"+ySrYo2w64WSFcCNkev1LQyHoR9Y46qEQLncyxPGkGTaA4i4CCIZnm/j69GfEuJ7HMmRkdATyO5sj9CMKWKU"
        b"WzeBKZj8DhJNzhR2UP6x4/ieBx3s+sNQuhb0YQD7V1wHS6hwtouOYSR10fFKx8wXTqy8//CMsNHVObTTEjgd"
        b"d1rZ9IMtG1tjGISE39BPMQ0zodAyr358fEDFc5lllkBjr8zvs7Bszx0Mt+AQG3otu9LBoalUQPsu+saTEnym"
        b"gHnQjgVs3MPQp0dn6Bf/pe5ueC7GHqQaHl76fFIkVcRMDUVwOeWqVdnQL/yHgIh10ia3NXKRNSHrxRpVVHry"
        b"5ekiebCYqWgWnIsVxW/9zJ9Kqkm00tvngxtHn/8yqO4ZYNp8CAOXOOC+Tb1suX1Dr/zlWSj1RrWptFp1RWnW"
        b"VU2tyVVNbsiarGitak2tKXJTaaoNmaq8+ujTyzLRUZ6q5KjYWGdyUub2KWe/Ayw6OQClFPJ7As3MFkuSNPFS"
        b"imSdAxmTw/IkjTif4nmX4IkHgIUnXVNMwW/ygPEui036YDaF/ZrAHtJ/8vUsp8BdARxhnI4piud3bSasxMg8"
        b"s7/hov2nEO0EN330Ohf9jr5gOTHC5Kf5Ue4vYCpWtQ=="
    ),
    ("new", "bfloat16"): (
        b"eNqlVL9v00AUPtuNE0yV/kJUZIhgCwJc2/ldBIks5MUDaRAoYrFc5wgWbtyzL0EwRUJU4o8AMbIz8CcwIpg7"
        b"IDExIFYWJO5i6p5dxRXlSdbJ9vve9727713PFJYAKBTAiVgF68AOnMfuFG4NbWzL+088Qy+Ch4mY8Q72SZZs"
        b"TbDrhZIVwN2J6w0tDMehH1hTTUKgUhnkScWQZNojiLgIIumG59tYbdyLvkuIH3AkTUHCQCCrsz9BS6aIUW7H"
        b"BCZvCgdINAWTO0D5V47jex50sOuPQ+luMIQBHN5xHSyhwtU+OoeR1Efn5Z6ZL/y+8O7ia1KNPr2FzW6Cctys"
        b"/MgP9mxsTWEQkvqGXkr1zIZKOT78PHxBlXOZHCXQPOb4uxeW7bmj8R4cY0OvZtAsjEaNCug8Rd95QsFnClgD"
        b"nVjA7jMMfbpvhn7zLLxH4bkYe5BqeHnr2yWRsIiZGorgdsJVW4qhb/+HAABmHdDtdmfdt12q4v2Vr9vLhGc5"
        b"U8UKcxTxMZ9p/6sSZf38ZnT/9P0vA+3YAPPmQxi4xAHPbWpkyx0auvyPItR6U2up7XZdVVv1WqNWVbSGUiWh"
        b"1FuKoim1erumKc02VblRvnytQnRU5io5KjbWyY7J6gnl6XsgjWYHYDOB/MGgU4OVLsKauJQossOBjMlJ12GN"
        b"uJao84WpEw9AGs46qJiAP+BByrtpLOuDlQT2kMEu6J89nnIC3BfAKcbpmaJ4/chmwo0YmU+tn7ho/SVEK8HN"
        b"f33MRe/RDZYTI0x+nh/l/gHgVVYO"
    ),
    ("old", "array"): (
        b"eNpdULtOwzAUdZz0gaFQoAsbY6ZI3RiQ6MSARYQyeUFR6hgalNq9joNUpEpd6INv4AMY+Qe+hk9AQgKHZOIO"
        b"99znOVd3iV9I/v16+XX68HZzEizx9adr/QKQz/oIoZlWRnGVx49CF5mS4NgB1rOdPDMmF7GQaZZIwBtGbNHM"
        b"ZyIusidRgLsAz2ctWywmShtoUcxcm2XSQJt6zKs4lLyHDvXK0mpyWU5n8yDmSotgWuYmS7RO5iTWgitZGF1y"
        b"QwDVY0SmdRccip4Bc7uWCl4QIauAgMscKzAGj7UrocRkcgitFbQj6KyhG8GOTx2KqbsC0lCm1fUEdhm2G3dn"
        b"sLfdrKEXwb5Pa7ZzOAjD8OrH2p+jyEB/vJ24bIj+28f7RRONaug22G9wMILDiT3oKIJjA4Ox/cAtoOAXsSZw"
        b"jA=="
    ),
    ("old", "tensor"): (
        b"eNptT7tOAzEQ9D2SAyMQLR1laCIuIhGpSIHSWLxC4wZZh89KjKxz1vZFAinSVRHwDRSU/BqfgETBhjQUrLwr"
        b"eXZ2Z7aJX6n5fht/HT58XB90m/jiM8G6BNLh+4SQubPBSmvEQjmvbQUREvgudowOwSihqlIXFcTPnCIYHudK"
        b"eP2kPCRLSDu8haCfWRegxWKe4E9XAdos5el6h62mkLG0rlFTBuvkrCvqoI2nwqn7WptSBFV568SiR9FTh2fr"
        b"hcgspgqizQgdG1uE2w1IIeZ7yBmeDPPj07zfHwzyvAfJr7ac15Cy9iW6uWGEJSxeoZeIJSvIXiSeaZQMeKWn"
        b"V65UTpXnWgYKW0cT2A5AJ7CDPu+A/KcQFd02+RvNGZYRPswG8330A5zZY8I="
    ),
    ("old", "bfloat16"): (
        b"eNptTz1LA0EQ3ftIoiuKrZ1lbIIRDZfKQyTN4ldstpHl3FuSleU2s7sXUAhcFdTfYGHpX/MnCBZODHZOMTBv"
        b"3rz3polfqfl+G33tP3xc7/Wa+OIzwb4A0uW7hJCZs8FKa8RcOa9tBRES+DZujA7BKKGqUhcVxM+cIhgeZ0p4"
        b"/aQ8JAtIu7yFoJ9aF6DFYp7gpKsAbZbydKVhqwl0WFrX6CmDdXLaE3XQxlPh1H2tTSmCqrx1Yn5EMVOXd1aC"
        b"yCwmCqL1CT0bGVuE/uB2jVOI+Q7ShsfD/uFgmGVZ/2SQQfJrL2c1pKx9iYFuGGExS5YYJ2HREjovEj81SgZ8"
        b"1NMrVyqnynMtA4WNgzFsBqBj2MKod0D+c4iKXpv8VXNK8jxv8vf8Bzr5ZJs="
    ),
}

WRITTEN = {key: zlib.decompress(base64.b64decode(text)) for key, text in _WRITTEN.items()}
