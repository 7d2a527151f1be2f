"""Which bytes `datasets/` holds, and that it holds them: DVC, and no trust in it.

DVC tracks the folder as one (`datasets.dvc`): its manifest in DVC's cache lists the MD5 of every file. A data set's
*digest* is the SHA-256 of its own lines there, so that adding one data set changes no other's identity. The digests
are also kept in `datasets.dvc` itself (under `meta`, which DVC leaves alone): a fresh clone, which has no manifest yet,
can tell by name which data set it made differently.

DVC hands out damaged bytes with exit code 0, so whatever it brings is hashed again here. Everything that a night asks
for is read from the files themselves; DVC runs only to change something, in a process of its own.

    hashing    files to MD5s, MD5s to a digest
    manifest   what is recorded: `datasets.dvc`, and the manifest that it names
    dvc        the process, its settings, its remote and its cache
    recording  taking what lies in `datasets/` into the record
    copying    what is brought in from elsewhere, and where it is assembled
    commands   what `zoo data` does
"""
