"""Data sets: what each contains, where it is, how it is downloaded, and whether it is intact. No torch.

dataset, catalog     the type `DataSet`; one object for each data set. Add a data set there
datasets, fetch      look-ups by name; `ablate data fetch`
info                 classes, sizes, mean and deviation of a data set
fashion_mnist, cifar, digits, split_folders, scene_sets   the kinds of data sets
add_folder           `ablate data add`: scan and register a folder; `layout` reads its names
registered/          registered folders: stored, read, and compared with the disk
regular_files        opens files of foreign folders: regular ones, up to a size; `images` decodes them
pinned_files         digests of downloaded files, and data sets that consist of such files
scenes/              miniature scenes, composed here
"""
