"""Papers and software that the methods text cites."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """One entry of the bibliography."""

    key: str
    authors: str
    year: int
    title: str
    journal: str
    doi: str

    @property
    def short(self) -> str:
        """``Haxby et al. 2001``."""
        names = [name.split(",")[0].strip("{}") for name in self.authors.split(" and ")]
        if len(names) == 1:
            return f"{names[0]} {self.year}"
        return f"{names[0]}{' and ' + names[1] if len(names) == 2 else ' et al.'} {self.year}"

    @property
    def text(self) -> str:
        """The entry as a line of a reference list."""
        authors = self.authors.replace(" and ", "; ").strip("{}")
        doi = f" doi:{self.doi}" if self.doi else ""
        return f"{authors} ({self.year}). {self.title}. {self.journal}.{doi}"

    @property
    def bibtex(self) -> str:
        """The entry for a .bib file."""
        fields = {
            "author": self.authors,
            "title": f"{{{self.title}}}",
            "journal": self.journal,
            "year": str(self.year),
            "doi": self.doi,
        }
        lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
        return f"@article{{{self.key},\n{lines}\n}}\n"


_ALL = (
    Reference(
        "haxby2001",
        "Haxby, J. V. and Gobbini, M. I. and Furey, M. L. and Ishai, A. and Schouten, J. L. and "
        "Pietrini, P.",
        2001,
        "Distributed and overlapping representations of faces and objects in ventral temporal "
        "cortex",
        "Science 293, 2425-2430",
        "10.1126/science.1063736",
    ),
    Reference(
        "nunezelizalde2019",
        "Nunez-Elizalde, A. O. and Huth, A. G. and Gallant, J. L.",
        2019,
        "Voxelwise encoding models with non-spherical multivariate normal priors",
        "NeuroImage 197, 482-492",
        "10.1016/j.neuroimage.2019.04.012",
    ),
    Reference(
        "dupre2022",
        "Dupré la Tour, T. and Eickenberg, M. and Nunez-Elizalde, A. O. and Gallant, J. L.",
        2022,
        "Feature-space selection with banded ridge regression",
        "NeuroImage 264, 119728",
        "10.1016/j.neuroimage.2022.119728",
    ),
    Reference(
        "sahani2003",
        "Sahani, M. and Linden, J. F.",
        2003,
        "How linear are auditory cortical responses?",
        "Advances in Neural Information Processing Systems 15, 125-132",
        "",
    ),
    Reference(
        "hsu2004",
        "Hsu, A. and Borst, A. and Theunissen, F. E.",
        2004,
        "Quantifying variability in neural responses and its application for the validation of "
        "model predictions",
        "Network: Computation in Neural Systems 15, 91-109",
        "10.1088/0954-898X_15_2_002",
    ),
    Reference(
        "benjamini1995",
        "Benjamini, Y. and Hochberg, Y.",
        1995,
        "Controlling the false discovery rate: a practical and powerful approach to multiple "
        "testing",
        "Journal of the Royal Statistical Society B 57, 289-300",
        "10.1111/j.2517-6161.1995.tb02031.x",
    ),
    Reference(
        "nishimoto2011",
        "Nishimoto, S. and Vu, A. T. and Naselaris, T. and Benjamini, Y. and Yu, B. and "
        "Gallant, J. L.",
        2011,
        "Reconstructing visual experiences from brain activity evoked by natural movies",
        "Current Biology 21, 1641-1646",
        "10.1016/j.cub.2011.08.031",
    ),
    Reference(
        "tan2019",
        "Tan, M. and Le, Q. V.",
        2019,
        "EfficientNet: rethinking model scaling for convolutional neural networks",
        "arXiv 1905.11946",
        "10.48550/arXiv.1905.11946",
    ),
    Reference(
        "pons2019",
        "Pons, J. and Serra, X.",
        2019,
        "musicnn: pre-trained convolutional neural networks for music audio tagging",
        "arXiv 1909.06654",
        "10.48550/arXiv.1909.06654",
    ),
    Reference(
        "kroeger2016",
        "Kroeger, T. and Timofte, R. and Dai, D. and Van Gool, L.",
        2016,
        "Fast optical flow using dense inverse search",
        "European Conference on Computer Vision, 471-488",
        "10.1007/978-3-319-46493-0_29",
    ),
    Reference(
        "mcfee2015",
        "McFee, B. and Raffel, C. and Liang, D. and Ellis, D. P. W. and McVicar, M. and "
        "Battenberg, E. and Nieto, O.",
        2015,
        "librosa: audio and music signal analysis in Python",
        "Python in Science Conference, 18-24",
        "10.25080/Majora-7b98e3ed-003",
    ),
    Reference(
        "kornblith2019",
        "Kornblith, S. and Norouzi, M. and Lee, H. and Hinton, G.",
        2019,
        "Similarity of neural network representations revisited",
        "arXiv 1905.00414",
        "10.48550/arXiv.1905.00414",
    ),
    Reference(
        "hotelling1936",
        "Hotelling, H.",
        1936,
        "Relations between two sets of variates",
        "Biometrika 28, 321-377",
        "10.1093/biomet/28.3-4.321",
    ),
    Reference(
        "wegelin2000",
        "Wegelin, J. A.",
        2000,
        "A survey of partial least squares (PLS) methods, with emphasis on the two-block case",
        "University of Washington, Department of Statistics, Technical Report 371",
        "",
    ),
    Reference(
        "oord2018",
        "van den Oord, A. and Li, Y. and Vinyals, O.",
        2018,
        "Representation learning with contrastive predictive coding",
        "arXiv 1807.03748",
        "10.48550/arXiv.1807.03748",
    ),
    Reference(
        "maaten2008",
        "van der Maaten, L. and Hinton, G.",
        2008,
        "Visualizing data using t-SNE",
        "Journal of Machine Learning Research 9, 2579-2605",
        "",
    ),
    Reference(
        "nilearn",
        "{Nilearn contributors}",
        2025,
        "nilearn",
        "Zenodo",
        "10.5281/zenodo.8397156",
    ),
    Reference(
        "molder2021",
        "Mölder, F. and Jablonski, K. P. and Letcher, B. and others",
        2021,
        "Sustainable data analysis with Snakemake",
        "F1000Research 10, 33",
        "10.12688/f1000research.29032.2",
    ),
    Reference(
        "halchenko2021",
        "Halchenko, Y. O. and Meyer, K. and Poldrack, B. and others",
        2021,
        "DataLad: distributed system for joint management of code, data, and their relationship",
        "Journal of Open Source Software 6, 3262",
        "10.21105/joss.03262",
    ),
    Reference(
        "esteban2019",
        "Esteban, O. and Markiewicz, C. J. and Blair, R. W. and others",
        2019,
        "fMRIPrep: a robust preprocessing pipeline for functional MRI",
        "Nature Methods 16, 111-116",
        "10.1038/s41592-018-0235-4",
    ),
)
REFERENCES = {reference.key: reference for reference in _ALL}
