"""Which tracks of GTZAN are repeated, distorted or damaged.

References
----------
Sturm BL (2013). The GTZAN dataset: its contents, its faults, their effects on evaluation, and its
future use. arXiv:1306.1461.

Kereliuk C, Sturm BL, Larsen J (2015). Deep learning and music adversaries. IEEE Transactions on
Multimedia 17, 2059-2071.
"""

# What the fault-filtered partition of Kereliuk et al. (930 tracks, published with their code)
# leaves out of the 1,000 tracks.
FAULT_FILTERED = {
    "classical": "42",
    "country": "08 52",
    "disco": "38 50 51 55 60 71 98",
    "hiphop": "01 39 46 47 48 49 50 76",
    "jazz": "33 34 35 36 37 38 39 40 42 43 44 45 46",
    "metal": "04 34 40 41 42 43 44 45 58",
    "pop": "15 21 22 30 37 45 47 48 51 52 54 56 57 67 68 87",
    "reggae": "03 05 07 08 10 13 33 41 73 75 80 81 86 91",
}
# A file that can't be decoded in the copies that are passed on today; the partition has it.
DAMAGED = "jazz.00054"
FAULTS = {
    f"{genre}.000{number}": "repeated or distorted (fault-filtered partition of GTZAN)"
    for genre, numbers in FAULT_FILTERED.items()
    for number in numbers.split()
} | {DAMAGED: "damaged in GTZAN"}
"""Name of a track, without suffix, to what is wrong with it."""
