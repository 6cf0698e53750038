"""The methods text, written from the resolved configuration, with the papers that it cites."""

from dataclasses import dataclass, field

from tristream import __version__
from tristream.config.contrast import Contrast
from tristream.config.dataset import Dataset
from tristream.config.decoders import Decoder
from tristream.config.fusion import Fusion, is_fitted
from tristream.config.layouts import FSAVERAGE5, FSLR, FmriprepLayout, RawLayout
from tristream.config.load import Resolved
from tristream.config.models import EncodingModel
from tristream.config.sources import ArchiveSource, DataladSource, SimulateSource
from tristream.report.references import REFERENCES, Reference

EXTRACTOR_PAPERS = {
    "acoustics": "mcfee2015",
    "audio_network": "wolf2020",
    "bispectrum": "nikias1987",
    "cornet_s": "kubilius2019",
    "detections": "wolf2020",
    "efficientnet_lite0": "tan2019",
    "gammatone": "glasberg1990",
    "hilbert_huang": "huang1998",
    "image_network": "wolf2020",
    "modulation": "chi2005",
    "motion_energy": "nishimoto2011",
    "musicnn": "pons2019",
    "rhythm": "ellis2007",
    "saliency": "hou2007",
    "tracked_objects": "wojke2017",
    "transnetv2": "soucek2020",
    "two_stream": "simonyan2014",
    "video_network": "wolf2020",
    "wavelets": "lee2019",
}
FLOW_PAPERS = {
    "dis": "kroeger2016",
    "farneback": "farneback2003",
    "tvl1": "zach2007",
    "ifnet": "huang2022",
    "raft": "teed2020",
}
FUSION_PAPERS = {"cca": "hotelling1936", "pls": "wegelin2000", "embedding": "oord2018"}


@dataclass
class Methods:
    """Paragraphs with their headings, and what they cite.

    Attributes
    ----------
    paragraphs : list of (str, str)
        Heading and text; citations are written as ``(Haxby et al. 2001)``.
    cited : dict
        Reference keys in order of first citation.
    """

    paragraphs: list[tuple[str, str]] = field(default_factory=list)
    cited: dict[str, None] = field(default_factory=dict)

    def cite(self, *keys: str) -> str:
        """``(A 2001; B 2002)``, and note that they are cited."""
        self.cited |= dict.fromkeys(keys)
        return f"({'; '.join(REFERENCES[key].short for key in keys)})"

    @property
    def references(self) -> list[Reference]:
        """The cited entries, by first author."""
        return sorted((REFERENCES[key] for key in self.cited), key=lambda r: r.authors)

    @property
    def bibtex(self) -> str:
        """A .bib file of the cited entries."""
        return "\n".join(reference.bibtex for reference in self.references)


def write_methods(resolved: Resolved) -> Methods:
    """Methods of the whole study, dataset by dataset."""
    methods = Methods()
    study = resolved.study
    for name, dataset in resolved.datasets.items():
        methods.paragraphs.append((f"Data: {name}", _data(methods, resolved, name, dataset)))
        models = {k: m for k, m in study.models.items() if name in m.datasets}
        if models:
            methods.paragraphs.append((f"Features: {name}", _features(methods, resolved, models)))
            text = _encoding_models(methods, models, dataset)
            methods.paragraphs.append((f"Encoding: {name}", text))
            methods.paragraphs.append(
                (f"Inference: {name}", _inference(methods, resolved, dataset))
            )
        decoders = {k: d for k, d in study.decoders.items() if name in d.datasets}
        if decoders:
            text = " ".join(_decoding(k, d, dataset) for k, d in decoders.items())
            methods.paragraphs.append((f"Decoding: {name}", text))
        contrasts = {k: c for k, c in study.contrasts.items() if name in c.datasets}
        if contrasts:
            text = " ".join(_contrast(methods, resolved, k, c) for k, c in contrasts.items())
            methods.paragraphs.append((f"Contrasts: {name}", text))
    methods.paragraphs.append(("Software", _software(methods, resolved)))
    return methods


def _data(methods: Methods, resolved: Resolved, name: str, dataset: Dataset) -> str:
    subjects = len(resolved.subjects[name])
    said = [f"{dataset.title}: {subjects} subject{'s' * (subjects > 1)}, TR {dataset.tr:g} s."]
    if isinstance(dataset.source, SimulateSource):
        said.append(
            "The BOLD is simulated from known latent signals (preset "
            f"{dataset.source.preset}); no measurement was made."
        )
    if "10.1126/science.1063736" in dataset.citation:
        said.append(f"The experiment is published {methods.cite('haxby2001')}.")
    if isinstance(dataset.layout, FmriprepLayout):
        confounds = ", ".join(dataset.layout.confounds)
        derivatives = (
            "Images with fMRIPrep's names and layout"
            if isinstance(dataset.source, SimulateSource)
            else f"Outputs of fMRIPrep {methods.cite('esteban2019')}"
        )
        said.append(
            f"{derivatives} in the space {dataset.layout.space} were read; confounds ({confounds}) "
            f"were projected out of each run with nilearn {methods.cite('nilearn')}."
        )
        said += _surface(methods, dataset.layout)
    if isinstance(dataset.layout, RawLayout):
        said += _plain(methods, dataset.layout)
    said.append(
        "Each voxel was detrended and z-scored within each run by that run's own mean and variance "
        "(no labels and no other run take part)."
    )
    if dataset.trims.start or dataset.trims.end:
        said.append(
            f"{dataset.trims.start} volumes at the start and {dataset.trims.end} at the end of "
            "each run were left out."
        )
    return " ".join([*said, _held_out(dataset), _leakage(resolved, dataset)])


def _plain(methods: Methods, layout: RawLayout) -> list[str]:
    """What was done to raw images, and what was not."""
    confounds = ", ".join(layout.confounds) or "none"
    return [
        "Raw images were registered by ANTs through antspyx "
        f"{methods.cite('avants2011', 'tustison2021')}: every volume rigidly to the mean of ten "
        "aligned volumes of its run, that mean rigidly to the subject's T1w, and the T1w to the "
        f"MNI152 template of nilearn ({layout.space}) {methods.cite('fonov2011', 'nilearn')} by an "
        f"affine transform and symmetric normalisation {methods.cite('avants2008')}; without a T1w "
        "the mean was registered to the template by an affine transform.",
        "The transforms were composed and applied in one cubic interpolation to "
        f"{layout.resolution:g} mm in the brain.",
        "Neither distortion by the magnetic field nor the timing of slices was corrected: this is "
        "a plain road, and fMRIPrep is advised for final analyses.",
        f"Confounds ({confounds}) were projected out of each run; framewise displacement is "
        f"Power's {methods.cite('power2012')}.",
    ]


def _surface(methods: Methods, layout: FmriprepLayout) -> list[str]:
    """What is analysed where the BOLD lies on surfaces."""
    if layout.space == FSAVERAGE5:
        return [
            f"What is called a voxel is a vertex of fsaverage5 {methods.cite('fischl1999')}; the "
            "medial wall was left out. Results were drawn on the same meshes, without projection."
        ]
    if layout.space == FSLR:
        return [
            "What is called a voxel is a grayordinate: a vertex of the fsLR meshes "
            f"{methods.cite('vanessen2012')} or a voxel below the cortex "
            f"{methods.cite('glasser2013')}. Results were drawn on average surfaces of the Human "
            "Connectome Project, without projection."
        ]
    return []


def _held_out(dataset: Dataset) -> str:
    if dataset.split.scheme == "leave-one-run-out":
        return (
            "Each run was held out once; hyperparameters were searched in the other runs only "
            "(nested leave-one-run-out)."
        )
    tests = [run for run in dataset.runs if dataset.split.is_test(run)]
    return (
        f"{len(dataset.runs) - len(tests)} runs were used for fitting and {len(tests)} were held "
        "out; held-out runs that show the same stimuli at the same times were averaged."
    )


def _leakage(resolved: Resolved, dataset: Dataset) -> str:
    if not dataset.stimuli.table:
        return (
            "Whether time in the run alone tells the labels was tested with a classifier of time."
        )
    action = {
        "warn": "were listed and kept",
        "drop": "were dropped from the test set",
        "error": "would have stopped the study",
    }[resolved.study.leakage.action]
    return (
        "Test stimuli were compared with training stimuli in picture and sound; those that "
        f"resemble, or lie within {resolved.study.leakage.minimum_gap:g} s of training film, "
        f"{action}."
    )


def _features(methods: Methods, resolved: Resolved, models: dict[str, EncodingModel]) -> str:
    study = resolved.study
    names = dict.fromkeys(
        s.split("/")[0] for model in models.values() for band in model.bands.values() for s in band
    )
    said = []
    for name in names:
        if name in study.fusion:
            said.append(_fused(methods, name, study.fusion[name]))
            continue
        block = study.features[name]
        paper = EXTRACTOR_PAPERS.get(block.extractor)
        if block.extractor == "optical_flow":
            paper = FLOW_PAPERS.get(str(block.options.get("method", "dis")))
        cited = f" {methods.cite(paper)}" if paper else ""
        layers = f", layers {', '.join(block.layers)}" if block.layers else ""
        said.append(f"{name} (extractor {block.extractor}{cited}{layers}; stream {block.stream})")
    compared = ""
    if len(said) > 1:
        cited = methods.cite("kornblith2019")
        compared = f" Spaces are compared by linear centred kernel alignment {cited}."
    return (
        f"Feature spaces: {'; '.join(said)}. Features carry their own times; they were low-pass "
        f"filtered and sampled at the acquisition time of each volume.{compared}"
    )


def _fused(methods: Methods, name: str, block: Fusion) -> str:
    parents = " and ".join(block.parents)
    how = {
        "concatenate": f"{parents} side by side",
        "pca": f"principal components of {parents}",
        "cca": f"canonical directions of {parents}",
        "pls": f"directions of {parents} that covary most (canonical partial least squares)",
        "embedding": f"a joint embedding of {parents} trained to match simultaneous samples",
    }[block.method]
    paper = FUSION_PAPERS.get(block.method)
    cited = f" {methods.cite(paper)}" if paper else ""
    fitted = ", fitted on training stimuli only" if is_fitted(block) else ""
    return f"{name} ({how}{cited}{fitted}; stream {block.stream})"


def _encoding_models(methods: Methods, models: dict[str, EncodingModel], dataset: Dataset) -> str:
    """The first model of each setting in full; the others by what differs."""
    told: dict[str, str] = {}
    said = []
    for name, model in models.items():
        setting = str(model.model_dump(exclude={"bands", "datasets", "control"}))
        if setting in told:
            said.append(
                f"Model {name} was fitted and tested like {told[setting]}, {_bands(model)}."
            )
        else:
            said.append(_encoding(methods, name, model, dataset))
            told[setting] = name
        if model.control == "shifted":
            said.append(
                "As a negative control its features were moved by half of each stimulus, so that "
                "nothing should be predicted."
            )
    return " ".join(said)


def _bands(model: EncodingModel) -> str:
    bands = "; ".join(f"{band}: {', '.join(spaces)}" for band, spaces in model.bands.items())
    return f"with bands {bands}" if len(model.bands) > 1 else f"with the band {bands}"


def _encoding(methods: Methods, name: str, model: EncodingModel, dataset: Dataset) -> str:
    said = _network(methods, name, model) if model.kind == "tcn" else _ridge(methods, name, model)
    if model.kind != "tcn":
        said[0] += f", {_time(methods, model, dataset)}. {_search(model)}"
    if model.components:
        said.append(
            f"Each space was reduced to {model.components} principal components that were fitted "
            "on training runs."
        )
    return " ".join([*said, _scores(methods, dataset, len(model.bands))])


def _ridge(methods: Methods, name: str, model: EncodingModel) -> list[str]:
    kind = "ridge regression"
    if model.kind == "stacking":
        kind = (
            "ridge regression of each band alone, stacked for each voxel with convex weights that "
            "minimise the squared error in left-out training runs "
            f"{methods.cite('breiman1996', 'lin2023')},"
        )
    elif len(model.bands) > 1:
        kind = f"banded ridge regression {methods.cite('nunezelizalde2019', 'dupre2022')}"
    said = [f"Model {name}: {kind} {_bands(model)}"]
    names = {
        "rbf": "a Gaussian kernel whose width is the median distance of training volumes",
        "polynomial": "a quadratic kernel",
    }
    for band, kernel in model.kernels.items():
        if kernel in names:
            said[0] += f", band {band} under {names[kernel]}"
    return said


def _time(methods: Methods, model: EncodingModel, dataset: Dataset) -> str:
    if model.hrf == "spm":
        return (
            "each convolved with SPM's canonical response and its time and dispersion derivatives "
            f"{methods.cite('friston1998')}, within runs"
        )
    delays = ", ".join(f"{d * dataset.tr:g}" for d in model.delays)
    return f"each delayed by {delays} s, delays never crossing runs"


def _search(model: EncodingModel) -> str:
    grid = model.alphas
    banded = len(model.bands) > 1 and model.kind == "banded_ridge"
    weights = f" and the weights of the bands ({model.candidates} candidates, seed {model.seed})"
    return (
        f"For each voxel the penalty ({grid.number} values from 10^{grid.lowest:g} to "
        f"10^{grid.highest:g}){weights if banded else ''} {'were' if banded else 'was'} chosen by "
        "cross-validation over the training runs."
    )


def _network(methods: Methods, name: str, model: EncodingModel) -> list[str]:
    network = model.network
    return [
        f"Model {name}: a temporal convolutional network {methods.cite('bai2018')} "
        f"{_bands(model)}: a projection to {network.width} channels and {network.blocks} residual "
        "blocks of causal convolutions that all voxels share, then a linear readout, trained by "
        f"AdamW (learning rate {network.learning_rate:g}, weight decay {network.weight_decay:g}, "
        f"dropout {network.dropout:g}, seed {model.seed}). The number of passes was chosen by "
        "leave-one-run-out over the training runs.",
        "Its prediction was split over the bands by their Shapley values "
        f"{methods.cite('lundberg2017')}.",
    ]


def _scores(methods: Methods, dataset: Dataset, bands: int) -> str:
    split = " R² was split over the bands by the product measure." if bands > 1 else ""
    if dataset.split.scheme == "leave-one-run-out":
        return (
            "Test r was computed in each held-out run and averaged in Fisher z. There is no noise "
            f"ceiling: no stimulus was repeated at the same times.{split}"
        )
    cited = methods.cite("sahani2003", "hsu2004")
    return (
        f"Test r and R² come from the averaged held-out runs.{split} The noise ceiling of r is the "
        "square root of the explainable share of the variance of the averaged test run, "
        f"SP / P(mean), SP = (R P(mean) - mean P) / (R - 1) over R repeats {cited}; r over its "
        "ceiling is shown only where the ceiling is above 0.2 and its lower bound above 0, and is "
        "not clipped."
    )


def _inference(methods: Methods, resolved: Resolved, dataset: Dataset) -> str:
    inference = resolved.study.inference
    exchange = dataset.exchange
    unit = f"{exchange.unit}s" if exchange.unit != "time" else f"blocks of {exchange.seconds:g} s"
    moved = f"permuted {inference.permutations} times (seed {inference.seed}) in whole {unit}"
    if inference.null == "shift":
        moved = f"shifted in a circle up to {inference.permutations} times (seed {inference.seed})"
    text = (
        f"The test data were {moved} within runs. p values were written only where at least "
        f"{200 if inference.null == 'shift' else '1,000'} distinct permutations exist, and "
        f"corrected to a false discovery rate of {inference.fdr:g} "
        f"{methods.cite('benjamini1995' if inference.procedure == 'bh' else 'benjamini2001')}"
        " and, for the largest voxel of each permutation, family-wise."
    )
    if exchange.unit == "time":
        moving = (
            "A film's blocks are cut at arbitrary moments"
            if inference.null == "blocks"
            else "A shifted film has a seam where its end and its beginning meet"
        )
        text += (
            f" {moving}, and a moved prediction has slow components back that the data lost to "
            f"their high-pass filter, which makes the null too narrow {methods.cite('kunsch1989')}:"
            " it was stretched until its variance, as a mean over voxels, was that of a "
            f"correlation of two such series without signal {methods.cite('afyouni2019')}."
        )
    return text + _compared(methods, resolved, dataset)


def _compared(methods: Methods, resolved: Resolved, dataset: Dataset) -> str:
    """Comparisons, partition and group level, as far as the study asks for them."""
    study, text = resolved.study, ""
    own = {name for name, model in study.models.items() if dataset.id in model.datasets}
    pairs = [c for c in study.inference.comparisons if {c.first, c.second} <= own]
    if pairs:
        named = ", ".join(f"{c.first} with {c.second}" for c in pairs)
        text += (
            f" Models were compared ({named}) by the difference of their test correlations, whose "
            "sign was flipped block by block where at least ten blocks allow it, and whose blocks "
            "were permuted otherwise."
        )
    if own & set(study.inference.partition):
        text += (
            " Unique and shared variance come from nested models, fitted anew to every set of "
            f"bands {methods.cite('deheer2017')}, with intervals from "
            f"{study.inference.bootstrap:,} bootstrap resamples of test blocks."
        )
    return text + (
        " Over subjects, those with a significant effect were counted, and its prevalence was "
        f"estimated {methods.cite('ince2021')}."
    )


def _decoding(name: str, decoder: Decoder, dataset: Dataset) -> str:
    kind = {"ridge": "a ridge classifier", "svm": "a linear support vector machine"}[decoder.kind]
    what = "single volumes" if decoder.samples == "volumes" else "one average per block"
    scaled = "its own run" if decoder.standardize == "run" else "the training runs"
    delay = f" Onsets were delayed by {decoder.delay:g} s." if decoder.delay else ""
    return (
        f"Decoder {name}: {kind} (regularisation {decoder.regularization:g}) on {what}, z-scored "
        f"with mean and variance of {scaled}, leave-one-run-out.{delay} Labels were permuted "
        f"{decoder.permutations} times (seed {decoder.seed}) in whole {dataset.exchange.unit}s "
        "within runs, the classifier fitted again each time."
    )


def _contrast(methods: Methods, resolved: Resolved, name: str, block: Contrast) -> str:
    hrf = {"spm": "SPM's canonical response", "glover": "Glover's response"}[block.hrf]
    length = {None: "their own durations", 0.0: "instants"}.get(
        block.duration, f"events of {block.duration or 0:g} s"
    )
    noise = {"ar1": "autoregressive noise of order one", "ols": "white noise"}[block.noise]
    passed = (
        f"Voxels count where |t| is above {block.threshold:g}."
        if block.threshold
        else f"Voxels count at a two-sided false discovery rate of {resolved.study.inference.fdr:g}"
        " (Benjamini-Hochberg)."
    )
    return (
        f"Contrast {name}: the mean response to {', '.join(block.plus)} over "
        + (f"that to {', '.join(block.minus)}" if block.minus else "the baseline")
        + f", by general linear models of nilearn {methods.cite('nilearn')} with {noise}. Events "
        f"were convolved with {hrf} as {length}, one regressor a label and one for events that "
        "are no samples; the model holds all that cleaning projected out, so that estimates and "
        "degrees of freedom are those of the BOLD before cleaning. Runs were joined as fixed "
        f"effects. {passed}"
    )


def _software(methods: Methods, resolved: Resolved) -> str:
    sources = [d.source for d in resolved.datasets.values()]
    said = [f"tristream {__version__} under Snakemake {methods.cite('molder2021')}"]
    if any(isinstance(s, DataladSource | SimulateSource) for s in sources):
        said.append(f"data by DataLad {methods.cite('halchenko2021')} at pinned commits")
    if any(isinstance(s, ArchiveSource) for s in sources):
        said.append("archives from the Python package index by pinned sha256")
    layouts = [dataset.layout for dataset in resolved.datasets.values()]
    if not all(isinstance(one, FmriprepLayout) and one.on_surface for one in layouts):
        said.append(f"surface projection by nilearn {methods.cite('nilearn')}")
    return "; ".join(said) + "."
