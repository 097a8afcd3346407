"""How the claims are tested, and what the words of the page mean: below its table."""

from experiments.claims.images import parts as images
from experiments.claims.points import parts as points
from jaxgan.plots.report_page import Notes

_READING = Notes(
    "How to read the table",
    [
        "A claim often says several things; each is a part with a rule of its own. The claim "
        "holds if all its parts hold, and it does not hold if one of them does not. The name "
        "of a claim leads to its section, which has the measured numbers, pictures, and the "
        "settings.",
    ],
    {
        "holds": "The whole 95 % interval lies where the claim says.",
        "does not hold": "The whole 95 % interval lies elsewhere: this is evidence against the "
        "claim.",
        "undecided": "The interval allows both, or settings disagree. This is no evidence "
        "against the claim.",
        "setting": "One way to fill in what a report leaves open, such as a learning rate. A "
        "claim has a verdict if all its settings have the same. In the names of settings, "
        "rate is a learning rate, steps are critic steps, and weight is that of the penalty.",
        "seed": "The number that all random numbers of a run follow from. Another seed is "
        "another try.",
        "95 % interval": "In square brackets after a mean over seeds: where the mean of very "
        "many seeds would lie, as far as these few can tell.",
        "run": "One training of one configuration with one seed; of a pretrained generator, "
        "one draw of faces.",
        "diverged": "The numbers of a run became infinite, and it was lost.",
    },
)
_WORDS = Notes(
    "Words",
    [],
    {
        "GAN, WGAN, WGAN-GP": "Three ways to train. A GAN's critic says whether a sample is "
        "real. A WGAN's critic gives scores, and its weights are kept within a bound, the "
        "clip bound. WGAN-GP bounds the slope of the scores instead, by a penalty with a "
        "weight.",
        "critic steps": "Updates of the critic for each update of the generator.",
        "SGD, Adam, RMSprop": "Optimizers: rules that turn slopes of the loss into new "
        "weights.",
        "epoch": "One pass over the training data.",
        "held-out": "Real data that no network is trained on.",
        "the M": "The letter that the points of reports A to C form.",
        "about": "Within a factor of 1.41, the square root of 2.",
        **points.TERMS,
        **images.TERMS,
        "latent dimension": "One of the random numbers that a generator turns into a point "
        "or a picture.",
        "code": "All these numbers together.",
        "SeFa direction": "A way to change a code, found in the weights of the "
        "generator: leading directions change its pictures most.",
    },
)
_METHOD = Notes(
    "How it was tested",
    [
        "Every rule stands in the code before a study is run. It says that a mean over "
        "seeds, or the mean difference between two kinds of runs with the same seeds, lies "
        "in a range. Two lines were drawn by eye, on pictures of a few runs of report B's "
        "networks, and of one WGAN-GP that is not in the study: from which ratio on a fit is "
        "rough, and from which on a face is recognisable. Where a rule depends on one of "
        "them, its section gives the verdicts at other levels.",
        "Within a setting, GAN, WGAN and WGAN-GP of points have the same optimizer, learning "
        "rate, batch size, epochs and critic steps. They differ in loss, clip bound and "
        "penalty alone, unless the claim is about optimizers. As in the report, GAN and "
        "WGAN-GP of faces have different optimizers, and critics with different norms; in "
        "some settings GAN has WGAN-GP's Adam. Each section says which settings are the "
        "report's and which are ours.",
        "No run is left out. A run that diverged counts as the worst result there is: a "
        "generator that puts every point on the mean of the data, or all of whose pictures "
        "have the mean features. A loss or a share has no worst value; a part about one is "
        "undecided if a run diverged. Where a run never gets to a rough fit, or to "
        "recognisable faces, the last epoch stands for it (“never” in the sections), and the "
        "true number is larger: for the verdict the interval is then open on that side.",
        "The intervals are bootstrap-t intervals over seeds. They need at least four seeds, "
        "and they are not corrected for the number of claims. What happens to fewer than "
        "about one in n of all seeds is, with n seeds, probably not seen; where few runs go "
        "badly wrong, the interval covers the mean far less often than in 95 % of all "
        "studies.",
    ],
)
METHOD = [_READING, _WORDS, _METHOD]
