"""From a publisher's layout that nothing here trains on to one that a reader opens: once, before the data is recorded.

    voc_sbd       SBD's .mat files and VOC's pictures, as FCN is trained and scored
    cityscapes    Cityscapes' labels by instance, as detectors read them
    imagenet_vid  ImageNet VID, as SiamFC is trained
    pictures      pictures of any size, cropped and averaged down to one

Pictures that need no change become links to where they lie, so that nothing is copied twice on its way into the record.
"""
