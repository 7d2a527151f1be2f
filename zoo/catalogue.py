"""Every family we have code for, and where. Listing it imports no torch; `family(name)` imports that family alone."""

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.contracts import Family


@dataclass(frozen=True)
class Listing:
    """One line of the catalogue."""

    where: str  # "module:ATTRIBUTE"
    title: str
    scored_by: str

    @property
    def area(self) -> str:
        return self.where.split(".")[1]

    @property
    def module(self) -> str:
        return self.where.split(":")[0]


CATALOGUE: dict[str, Listing] = {
    "fcn32s": Listing("zoo.segmentation.fcn:FCN32S", "Fully convolutional network, stride 32 (VGG-16)", "mIoU"),
    "fcn16s": Listing("zoo.segmentation.fcn:FCN16S", "FCN with the pool4 skip", "mIoU"),
    "fcn8s": Listing("zoo.segmentation.fcn:FCN8S", "FCN with the pool4 and pool3 skips", "mIoU"),
    "mask-rcnn": Listing("zoo.segmentation.mask_rcnn:FAMILY", "Mask R-CNN: boxes, classes and masks", "mask AP"),
    "deep-snake": Listing("zoo.segmentation.deep_snake:FAMILY", "Contours deformed into outlines", "mask AP"),
    "siamfc": Listing("zoo.tracking.siamfc:FAMILY", "Fully convolutional Siamese tracker", "success AUC"),
    "hcf": Listing("zoo.tracking.hcf:FAMILY", "Correlation filters on hierarchical features (VGG-19)", "success AUC"),
    "mdnet": Listing("zoo.tracking.mdnet:FAMILY", "Multi-domain network that learns while it tracks", "success AUC"),
    "raft": Listing("zoo.optical_flow.raft:RAFT", "Recurrent all-pairs field transforms for optical flow", "EPE"),
    "raft-small": Listing("zoo.optical_flow.raft:RAFT_SMALL", "RAFT with a fifth of the parameters", "EPE"),
    "c3d": Listing("zoo.video.c3d:FAMILY", "Convolutions over space and time", "accuracy"),
    "two-stream": Listing("zoo.video.two_stream:FAMILY", "A frame and the flow after it, fused late", "accuracy"),
    "single-frame": Listing(
        "zoo.video.fusion:SINGLE_FRAME", "A network for pictures sees one frame: a control", "accuracy"
    ),
    "early-fusion": Listing("zoo.video.fusion:EARLY_FUSION", "Frames meet in the first convolution", "accuracy"),
    "late-fusion": Listing(
        "zoo.video.fusion:LATE_FUSION", "Two distant frames meet after the convolutions", "accuracy"
    ),
    "slow-fusion": Listing("zoo.video.fusion:SLOW_FUSION", "Frames meet by and by in three convolutions", "accuracy"),
    "i3d-colour": Listing("zoo.video.i3d:I3D_COLOUR", "Inception-v1 inflated over time, of frames", "accuracy"),
    "i3d-flow": Listing("zoo.video.i3d:I3D_FLOW", "Inception-v1 inflated over time, of flow", "accuracy"),
    "i3d": Listing("zoo.video.i3d:I3D", "Both inflated networks, averaged", "accuracy"),
    "vae-bernoulli": Listing("zoo.generative.vae:VAE_BERNOULLI", "Variational auto-encoder, Bernoulli decoder", "FID"),
    "vae-gaussian": Listing(
        "zoo.generative.vae:VAE_GAUSSIAN", "Variational auto-encoder, Gaussian decoder", "bits/dim"
    ),
    "gan": Listing("zoo.generative.gan:FAMILY", "The first GAN, without convolutions", "FID"),
    "f-gan": Listing("zoo.generative.f_gan:FAMILY", "GAN that lowers an f-divergence of choice", "FID"),
    "acgan": Listing("zoo.generative.acgan:FAMILY", "GAN whose discriminator names the class", "FID"),
    "dcgan": Listing("zoo.generative.dcgan:FAMILY", "Deep convolutional GAN", "FID"),
    "lsgan": Listing("zoo.generative.lsgan:FAMILY", "Least squares GAN", "FID"),
    "wgan": Listing("zoo.generative.wgan:FAMILY", "Wasserstein GAN with weight clipping", "FID"),
    "wgan-gp": Listing("zoo.generative.wgan_gp:FAMILY", "Wasserstein GAN with gradient penalty", "FID"),
    "ddpm": Listing("zoo.generative.ddpm:DDPM", "Denoising diffusion probabilistic model", "FID"),
    "ddim": Listing("zoo.generative.ddim:FAMILY", "DDPM's weights, drawn from in few implicit steps", "FID"),
    "pixel-cnn": Listing(
        "zoo.generative.pixel_cnn:FAMILY", "Gated convolutions say a picture value by value", "bits/dim"
    ),
    "gaussian-mixture": Listing("zoo.generative.mixture:FAMILY", "Gaussians by EM, full covariances", "bits/dim"),
    "digit-classifier": Listing(
        "zoo.recognition.digit_classifier:FAMILY", "Small CNN whose features are the digits' FID space", "accuracy"
    ),
    "k-nn": Listing("zoo.recognition.k_nn:FAMILY", "k nearest neighbours, L1 or L2", "accuracy"),
    "svm": Listing("zoo.recognition.linear:SVM", "Linear classifier, multiclass hinge", "accuracy"),
    "softmax": Listing("zoo.recognition.linear:SOFTMAX", "Linear classifier, cross entropy", "accuracy"),
    "fully-connected": Listing(
        "zoo.recognition.fully_connected:FAMILY", "Layers with batch or layer norm and dropout", "accuracy"
    ),
    "cnn": Listing("zoo.recognition.cnn:FAMILY", "Convolutions with group normalisation", "accuracy"),
    "vit": Listing("zoo.recognition.vit:FAMILY", "Vision Transformer", "accuracy"),
    "convnext": Listing("zoo.recognition.convnext:FAMILY", "ConvNet in a Transformer's proportions", "accuracy"),
}


def listing(name: str) -> Listing:
    """The catalogue's line for a family.

    Raises:
        ValueError: no such family; the message names the nearest ones.
    """
    if name not in CATALOGUE:
        near = get_close_matches(name, CATALOGUE) or list(CATALOGUE)
        raise ValueError(f"no family {name!r} in the catalogue; did you mean: {', '.join(near)}? See `zoo list`.")
    return CATALOGUE[name]


def family(name: str) -> "Family":
    """The family itself (imports its file, and with it torch).

    Raises:
        ValueError: no such family.
    """
    module, attribute = listing(name).where.split(":")
    found: Family = getattr(import_module(module), attribute)
    return found
