"""The papers that the stages implement, as BibTeX."""

from collections.abc import Mapping


def _of_conference(key: str, authors: str, title: str, venue: str, year: int) -> str:
    fields = {"author": authors, "title": title, "booktitle": venue, "year": year}
    return _entry("inproceedings", key, fields)


def _of_arxiv(key: str, authors: str, title: str, number: str, year: int) -> str:
    fields = {"author": authors, "title": title, "eprint": number, "archiveprefix": "arXiv", "year": year}
    return _entry("misc", key, fields)


def _entry(kind: str, key: str, fields: Mapping[str, str | int]) -> str:
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}\n}}"


IDC = _of_conference(
    "kim2022idc",
    "Kim, Jang-Hyun and Kim, Jinuk and Oh, Seong Joon and Yun, Sangdoo and Song, Hwanjun and Jeong, Joonhyun "
    "and Ha, Jung-Woo and Song, Hyun Oh",
    "Dataset Condensation via Efficient Synthetic-Data Parameterization",
    "International Conference on Machine Learning (ICML)",
    2022,
)
DC = _of_conference(
    "zhao2021dc",
    "Zhao, Bo and Mopuri, Konda Reddy and Bilen, Hakan",
    "Dataset Condensation with Gradient Matching",
    "International Conference on Learning Representations (ICLR)",
    2021,
)
DSA = _of_conference(
    "zhao2021dsa",
    "Zhao, Bo and Bilen, Hakan",
    "Dataset Condensation with Differentiable Siamese Augmentation",
    "International Conference on Machine Learning (ICML)",
    2021,
)
DM = _of_conference(
    "zhao2023dm",
    "Zhao, Bo and Bilen, Hakan",
    "Dataset Condensation with Distribution Matching",
    "IEEE/CVF Winter Conference on Applications of Computer Vision (WACV)",
    2023,
)
IDM = _of_conference(
    "zhao2023idm",
    "Zhao, Ganlong and Li, Guanbin and Qin, Yipeng and Yu, Yizhou",
    "Improved Distribution Matching for Dataset Condensation",
    "IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)",
    2023,
)
DREAM = _of_conference(
    "liu2023dream",
    "Liu, Yanqing and Gu, Jianyang and Wang, Kai and Zhu, Zheng and Jiang, Wei and You, Yang",
    "{DREAM}: Efficient Dataset Distillation by Representative Matching",
    "IEEE/CVF International Conference on Computer Vision (ICCV)",
    2023,
)
DANCE = _of_conference(
    "zhang2024dance",
    "Zhang, Hansong and Li, Shikun and Lin, Fanzhao and Wang, Weiping and Qian, Zhenxing and Ge, Shiming",
    "{DANCE}: Dual-View Distribution Alignment for Dataset Condensation",
    "International Joint Conference on Artificial Intelligence (IJCAI)",
    2024,
)
NCFM = _of_conference(
    "wang2025ncfm",
    "Wang, Shaobo and Yang, Yicun and Liu, Zhiyuan and Sun, Chenghao and Hu, Xuming and He, Conghui and "
    "Zhang, Linfeng",
    "Dataset Distillation with Neural Characteristic Function: A Minmax Perspective",
    "IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)",
    2025,
)
MODEL_AUGMENTATION = _of_conference(
    "zhang2023augmentation",
    "Zhang, Lei and Zhang, Jie and Lei, Bowen and Mukherjee, Subhabrata and Pan, Xiang and Zhao, Bo and "
    "Ding, Caiwen and Li, Yao and Xu, Dongkuan",
    "Accelerating Dataset Distillation via Model Augmentation",
    "IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)",
    2023,
)
M3D = _of_conference(
    "zhang2024m3d",
    "Zhang, Hansong and Li, Shikun and Wang, Pengju and Zeng, Dan and Ge, Shiming",
    "{M3D}: Dataset Condensation by Minimizing Maximum Mean Discrepancy",
    "AAAI Conference on Artificial Intelligence",
    2024,
)
DSDM = _of_conference(
    "li2024dsdm",
    "Li, Hongcheng and Zhou, Yucan and Gu, Xiaoyan and Li, Bo and Wang, Weiping",
    "Diversified Semantic Distribution Matching for Dataset Distillation",
    "ACM International Conference on Multimedia (MM)",
    2024,
)
DATADAM = _of_conference(
    "sajedi2023datadam",
    "Sajedi, Ahmad and Khaki, Samir and Amjadian, Ehsan and Liu, Lucy Z. and Lawryshyn, Yuri A. and "
    "Plataniotis, Konstantinos N.",
    "{DataDAM}: Efficient Dataset Distillation with Attention Matching",
    "IEEE/CVF International Conference on Computer Vision (ICCV)",
    2023,
)
FRED = _of_conference(
    "shin2023fred",
    "Shin, Donghyeok and Shin, Seungjae and Moon, Il-Chul",
    "Frequency Domain-based Dataset Distillation",
    "Advances in Neural Information Processing Systems (NeurIPS)",
    2023,
)
DDIF = _of_conference(
    "shin2025ddif",
    "Shin, Donghyeok and Bae, HeeSun and Sim, Gyuwon and Kang, Wanmo and Moon, Il-Chul",
    "Distilling Dataset into Neural Field",
    "International Conference on Learning Representations (ICLR)",
    2025,
)
GSDD = _of_arxiv(
    "jiang2025gsdd",
    "Jiang, Chenyang and Li, Zhengcen and Zhao, Hang and Shan, Qiben and Wu, Shaocong and Su, Jingyong",
    "Beyond Pixels: Efficient Dataset Distillation via Sparse Gaussian Representation",
    "2509.26219",
    2025,
)
FYI = _of_conference(
    "son2024fyi",
    "Son, Byunggwan and Oh, Youngmin and Baek, Donghyeon and Ham, Bumsub",
    "{FYI}: Flip Your Images for Dataset Distillation",
    "European Conference on Computer Vision (ECCV)",
    2024,
)
HERDING = _of_conference(
    "welling2009herding",
    "Welling, Max",
    "Herding Dynamical Weights to Learn",
    "International Conference on Machine Learning (ICML)",
    2009,
)
K_CENTER = _of_conference(
    "sener2018coreset",
    "Sener, Ozan and Savarese, Silvio",
    "Active Learning for Convolutional Neural Networks: A Core-Set Approach",
    "International Conference on Learning Representations (ICLR)",
    2018,
)
GDUMB = _of_conference(
    "prabhu2020gdumb",
    "Prabhu, Ameya and Torr, Philip H. S. and Dokania, Puneet K.",
    "{GDumb}: A Simple Approach that Questions Our Progress in Continual Learning",
    "European Conference on Computer Vision (ECCV)",
    2020,
)
DD_RANKING = _of_arxiv(
    "li2025ddranking",
    "Li, Zekai and Zhong, Xinhao and Khaki, Samir and others",
    "{DD-Ranking}: Rethinking the Evaluation of Dataset Distillation",
    "2505.13300",
    2025,
)

PROTOCOLS = {
    "idc-2022": IDC,
    "idc-2022-imagenet": IDC,
    "idc-2022-imagenet-100": IDC,
    "idc-2022-incremental": IDC,
    "dc-2021": DC,
    "dsa-2021": DSA,
    "dm-2023": DM,
    "dance-2024": DANCE,
    "ncfm-2025": NCFM,
    "dd-ranking-2025": DD_RANKING,
}
"""By the names of the evaluators' protocols."""
