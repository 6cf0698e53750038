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
        "fischl1999",
        "Fischl, B. and Sereno, M. I. and Tootell, R. B. H. and Dale, A. M.",
        1999,
        "High-resolution intersubject averaging and a coordinate system for the cortical surface",
        "Human Brain Mapping 8, 272-284",
        "10.1002/(SICI)1097-0193(1999)8:4<272::AID-HBM10>3.0.CO;2-4",
    ),
    Reference(
        "vanessen2012",
        "Van Essen, D. C. and Glasser, M. F. and Dierker, D. L. and Harwell, J. and Coalson, T.",
        2012,
        "Parcellations and hemispheric asymmetries of human cerebral cortex analyzed on "
        "surface-based atlases",
        "Cerebral Cortex 22, 2241-2262",
        "10.1093/cercor/bhr291",
    ),
    Reference(
        "glasser2013",
        "Glasser, M. F. and Sotiropoulos, S. N. and Wilson, J. A. and Coalson, T. S. and Fischl, "
        "B. and Andersson, J. L. and Xu, J. and Jbabdi, S. and Webster, M. and Polimeni, J. R. and "
        "Van Essen, D. C. and Jenkinson, M.",
        2013,
        "The minimal preprocessing pipelines for the Human Connectome Project",
        "NeuroImage 80, 105-124",
        "10.1016/j.neuroimage.2013.04.127",
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
        "breiman1996",
        "Breiman, L.",
        1996,
        "Stacked regressions",
        "Machine Learning 24, 49-64",
        "10.1007/BF00117832",
    ),
    Reference(
        "lin2023",
        "Lin, R. and Naselaris, T. and Kay, K. and Wehbe, L.",
        2023,
        "Stacked regressions and structured variance partitioning for interpretable brain maps",
        "bioRxiv",
        "10.1101/2023.04.23.537988",
    ),
    Reference(
        "friston1998",
        "Friston, K. J. and Fletcher, P. and Josephs, O. and Holmes, A. and Rugg, M. D. and "
        "Turner, R.",
        1998,
        "Event-related fMRI: characterizing differential responses",
        "NeuroImage 7, 30-40",
        "10.1006/nimg.1997.0306",
    ),
    Reference(
        "bai2018",
        "Bai, S. and Kolter, J. Z. and Koltun, V.",
        2018,
        "An empirical evaluation of generic convolutional and recurrent networks for sequence "
        "modeling",
        "arXiv:1803.01271",
        "",
    ),
    Reference(
        "lundberg2017",
        "Lundberg, S. M. and Lee, S.-I.",
        2017,
        "A unified approach to interpreting model predictions",
        "Advances in Neural Information Processing Systems 30",
        "",
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
        "kunsch1989",
        "Künsch, H. R.",
        1989,
        "The jackknife and the bootstrap for general stationary observations",
        "The Annals of Statistics 17, 1217-1241",
        "10.1214/aos/1176347265",
    ),
    Reference(
        "afyouni2019",
        "Afyouni, S. and Smith, S. M. and Nichols, T. E.",
        2019,
        "Effective degrees of freedom of the Pearson's correlation coefficient under "
        "autocorrelation",
        "NeuroImage 199, 609-625",
        "10.1016/j.neuroimage.2019.05.011",
    ),
    Reference(
        "deheer2017",
        "de Heer, W. A. and Huth, A. G. and Griffiths, T. L. and Gallant, J. L. and Theunissen, "
        "F. E.",
        2017,
        "The hierarchical cortical organization of human speech processing",
        "Journal of Neuroscience 37, 6539-6557",
        "10.1523/JNEUROSCI.3267-16.2017",
    ),
    Reference(
        "ince2021",
        "Ince, R. A. A. and Paton, A. T. and Kay, J. W. and Schyns, P. G.",
        2021,
        "Bayesian inference of population prevalence",
        "eLife 10, e62461",
        "10.7554/eLife.62461",
    ),
    Reference(
        "benjamini2001",
        "Benjamini, Y. and Yekutieli, D.",
        2001,
        "The control of the false discovery rate in multiple testing under dependency",
        "The Annals of Statistics 29, 1165-1188",
        "10.1214/aos/1013699998",
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
    Reference(
        "farneback2003",
        "Farnebäck, G.",
        2003,
        "Two-frame motion estimation based on polynomial expansion",
        "Image Analysis (SCIA), 363-370",
        "10.1007/3-540-45103-X_50",
    ),
    Reference(
        "zach2007",
        "Zach, C. and Pock, T. and Bischof, H.",
        2007,
        "A duality based approach for realtime TV-L1 optical flow",
        "Pattern Recognition (DAGM), 214-223",
        "10.1007/978-3-540-74936-3_22",
    ),
    Reference(
        "huang2022",
        "Huang, Z. and Zhang, T. and Heng, W. and Shi, B. and Zhou, S.",
        2022,
        "Real-time intermediate flow estimation for video frame interpolation",
        "European Conference on Computer Vision",
        "10.1007/978-3-031-19781-9_36",
    ),
    Reference(
        "teed2020",
        "Teed, Z. and Deng, J.",
        2020,
        "RAFT: recurrent all-pairs field transforms for optical flow",
        "European Conference on Computer Vision",
        "10.1007/978-3-030-58536-5_24",
    ),
    Reference(
        "hou2007",
        "Hou, X. and Zhang, L.",
        2007,
        "Saliency detection: a spectral residual approach",
        "IEEE Conference on Computer Vision and Pattern Recognition",
        "10.1109/CVPR.2007.383267",
    ),
    Reference(
        "kubilius2019",
        "Kubilius, J. and Schrimpf, M. and Kar, K. and others",
        2019,
        "Brain-like object recognition with high-performing shallow recurrent ANNs",
        "Advances in Neural Information Processing Systems 32",
        "",
    ),
    Reference(
        "soucek2020",
        "Souček, T. and Lokoč, J.",
        2020,
        "TransNet V2: an effective deep network architecture for fast shot transition detection",
        "arXiv:2008.04838",
        "",
    ),
    Reference(
        "wojke2017",
        "Wojke, N. and Bewley, A. and Paulus, D.",
        2017,
        "Simple online and realtime tracking with a deep association metric",
        "IEEE International Conference on Image Processing",
        "10.1109/ICIP.2017.8296962",
    ),
    Reference(
        "simonyan2014",
        "Simonyan, K. and Zisserman, A.",
        2014,
        "Two-stream convolutional networks for action recognition in videos",
        "Advances in Neural Information Processing Systems 27",
        "",
    ),
    Reference(
        "wolf2020",
        "Wolf, T. and Debut, L. and Sanh, V. and others",
        2020,
        "Transformers: state-of-the-art natural language processing",
        "EMNLP: System Demonstrations, 38-45",
        "10.18653/v1/2020.emnlp-demos.6",
    ),
    Reference(
        "glasberg1990",
        "Glasberg, B. R. and Moore, B. C. J.",
        1990,
        "Derivation of auditory filter shapes from notched-noise data",
        "Hearing Research 47, 103-138",
        "10.1016/0378-5955(90)90170-T",
    ),
    Reference(
        "chi2005",
        "Chi, T. and Ru, P. and Shamma, S. A.",
        2005,
        "Multiresolution spectrotemporal analysis of complex sounds",
        "Journal of the Acoustical Society of America 118, 887-906",
        "10.1121/1.1945807",
    ),
    Reference(
        "lee2019",
        "Lee, G. R. and Gommers, R. and Waselewski, F. and Wohlfahrt, K. and O'Leary, A.",
        2019,
        "PyWavelets: a Python package for wavelet analysis",
        "Journal of Open Source Software 4, 1237",
        "10.21105/joss.01237",
    ),
    Reference(
        "huang1998",
        "Huang, N. E. and Shen, Z. and Long, S. R. and others",
        1998,
        "The empirical mode decomposition and the Hilbert spectrum for nonlinear and "
        "non-stationary time series analysis",
        "Proceedings of the Royal Society A 454, 903-995",
        "10.1098/rspa.1998.0193",
    ),
    Reference(
        "nikias1987",
        "Nikias, C. L. and Raghuveer, M. R.",
        1987,
        "Bispectrum estimation: a digital signal processing framework",
        "Proceedings of the IEEE 75, 869-891",
        "10.1109/PROC.1987.13824",
    ),
    Reference(
        "ellis2007",
        "Ellis, D. P. W.",
        2007,
        "Beat tracking by dynamic programming",
        "Journal of New Music Research 36, 51-60",
        "10.1080/09298210701653344",
    ),
    Reference(
        "avants2008",
        "Avants, B. B. and Epstein, C. L. and Grossman, M. and Gee, J. C.",
        2008,
        "Symmetric diffeomorphic image registration with cross-correlation: evaluating automated "
        "labeling of elderly and neurodegenerative brain",
        "Medical Image Analysis 12, 26-41",
        "10.1016/j.media.2007.06.004",
    ),
    Reference(
        "avants2011",
        "Avants, B. B. and Tustison, N. J. and Song, G. and Cook, P. A. and Klein, A. and "
        "Gee, J. C.",
        2011,
        "A reproducible evaluation of ANTs similarity metric performance in brain image "
        "registration",
        "NeuroImage 54, 2033-2044",
        "10.1016/j.neuroimage.2010.09.025",
    ),
    Reference(
        "tustison2021",
        "Tustison, N. J. and Cook, P. A. and Holbrook, A. J. and others",
        2021,
        "The ANTsX ecosystem for quantitative biological and medical imaging",
        "Scientific Reports 11, 9068",
        "10.1038/s41598-021-87564-6",
    ),
    Reference(
        "fonov2011",
        "Fonov, V. and Evans, A. C. and Botteron, K. and Almli, C. R. and McKinstry, R. C. and "
        "Collins, D. L.",
        2011,
        "Unbiased average age-appropriate atlases for pediatric studies",
        "NeuroImage 54, 313-327",
        "10.1016/j.neuroimage.2010.07.033",
    ),
    Reference(
        "power2012",
        "Power, J. D. and Barnes, K. A. and Snyder, A. Z. and Schlaggar, B. L. and Petersen, S. E.",
        2012,
        "Spurious but systematic correlations in functional connectivity MRI networks arise from "
        "subject motion",
        "NeuroImage 59, 2142-2154",
        "10.1016/j.neuroimage.2011.10.018",
    ),
)
REFERENCES = {reference.key: reference for reference in _ALL}
