"""Finding out whether a picture is listed: Hamming search in the clear, and Shield, private matching.

Shield in one paragraph: a PDQ hash is cut into *bands*; the list side puts every band of every item through an OPRF
(`voprf`) and packs the outputs into a *filter* (`fuse`) that devices keep. A device *probes* each band with the most
likely patterns of a picture (`probes`), has them evaluated blindly in one batch of constant size, and looks the
outputs up in its filter (`shield`). The provider sees random group elements; the device learns listed or not.
"""
