"""What a report says, in two languages."""

from __future__ import annotations

from typing import Literal, TypeAlias

Language: TypeAlias = Literal["zh", "en"]
LABELS = {"negative": "负面", "neutral": "中性", "positive": "正面"}
STEPS = {"day": "天", "week": "周", "month": "月"}
REASONS = {"empty": "空白", "no evidence": "没有可判断的内容", "unsure": "把握不足", "undecodable bytes": "无法解码"}
CHINESE = {
    "lang": "zh-CN",
    "title": "{file} 情感分析报告",
    "made": "{when} 由 nlpkit {version} 在本机生成，模型 {model}。",
    "overview": "总体",
    "counts": "共 {rows} 条，其中 {scored} 条有结论，{unsure} 条把握不足，{unscored} 条无法判断。",
    "unlike": "有 {rows} 条与模型的训练文本差别较大，对它们的判断可能没有意义。",
    "about_shares": "各标签占有结论的文本的比例；细线为 95% 置信区间。",
    "about_time": "按{step}统计的比例，阴影为 95% 置信区间。",
    "undated": "{rows} 条没有可识别的日期，未计入。",
    "label": "标签",
    "rows": "条数",
    "share": "比例",
    "interval": "95% 区间",
    "groups": "按{by}",
    "about_groups": "从左起先是{label}；细线为其 95% 置信区间。图中最多 15 组。",
    "unscored": "无结论",
    "more_groups": "另有 {groups} 组条数更少，未列出。",
    "words": "哪些词拉低或抬高评价",
    "about_words": "在一类文本里出现得明显多于其余文本的词（对数几率比，2 个标准误以上）；"
    "小字为两边含该词的条数。分组时只列条数最多的 8 组。这是相关，不一定是原因。",
    "down": "偏{label}",
    "colon": "：",
    "comma": "、",
    "worst": "最可能{label}的文本",
    "about_worst": "最多 20 条。底色深浅表示每个词对结论的影响：一种颜色支持，另一种反对。",
    "unsure": "最没把握的文本",
    "about_unsure": "最多 20 条。模型在这些文本上最犹豫，值得人工看一遍。",
    "not_scored": "无法判断的文本",
    "about_not_scored": "最多 20 条，括号内为原因。",
    "place": "位置",
    "probability": "概率",
    "text": "文本",
    "reasons": "没有结论的原因",
    "none": "（无）",
    "model": "模型是什么，不是什么",
    "about_model": "模型 {model} 判断每条文本属于哪个标签（{labels}），并给出概率。",
    "measured": "在训练时留出的 {rows} 条测试文本上，准确率 {accuracy}，校准误差 {error}。",
    "limits": "在与训练文本相近的文本上，概率约 80% 的结论大约有八成正确；换一种文本，正确率和概率都没有保证。"
    "模型不懂反讽、图片和上下文，也不知道事实。占比的区间只反映抽样误差，不包括模型的错误。"
    "下结论前，请抽查若干条，或用自己标注的文本运行 nlpkit sentiment evaluate。",
}
ENGLISH = {
    "lang": "en",
    "title": "{file}: what the texts say",
    "made": "Made on this machine, {when}, by nlpkit {version} with the model {model}.",
    "overview": "All together",
    "counts": "{rows} rows: {scored} have an answer, of {unsure} the model is not sure enough, "
    "{unscored} cannot be scored.",
    "unlike": "{rows} rows are unlike the text that the model was made from; their answers may mean little.",
    "about_shares": "Share of the rows that have an answer; the thin lines are 95% intervals.",
    "about_time": "Shares by {step}, with 95% intervals.",
    "undated": "{rows} rows have no date that could be read, and are left out here.",
    "label": "label",
    "rows": "rows",
    "share": "share",
    "interval": "95% interval",
    "groups": "By {by}",
    "about_groups": "{label} first; the thin line is its 95% interval. The chart has the 15 largest groups.",
    "unscored": "no answer",
    "more_groups": "{groups} smaller groups are not shown.",
    "words": "Words that go with good and bad",
    "about_words": "Words that stand in rows of one label clearly more often than in the others (log odds ratio, two "
    "standard errors); small numbers: rows that hold the word, here and there. They go together; that need not be why. "
    "Of groups, the 8 largest.",
    "down": "more {label}",
    "colon": ": ",
    "comma": ", ",
    "worst": "Rows that are most surely {label}",
    "about_worst": "At most 20. The deeper the colour, the more a word counts, for the answer or against it.",
    "unsure": "Rows of which the model is least sure",
    "about_unsure": "At most 20, worth a look by somebody who can read.",
    "not_scored": "Rows that cannot be scored",
    "about_not_scored": "At most 20; the reason stands in brackets.",
    "place": "where",
    "probability": "probability",
    "text": "text",
    "reasons": "Why rows have no answer",
    "none": "(none)",
    "model": "What the model is, and is not",
    "about_model": "The model {model} says which label a text has ({labels}), and how probable that is.",
    "measured": "On {rows} test rows that its training did not see, {accuracy} of its answers were right; "
    "calibration error {error}.",
    "limits": "On texts like those it was made from, of answers with a probability near 80% about four in five are "
    "right; on other texts nothing is known of either. It does not understand irony, pictures or what was said before, "
    "and knows no facts. The intervals hold the chance in the rows, not the errors of the model. Read some rows before "
    "you conclude, or measure it on labelled rows of your own: nlpkit sentiment evaluate.",
}
WORDING = {"zh": CHINESE, "en": ENGLISH}


def name_label(label: str, language: Language) -> str:
    """Return what a label is called."""
    return LABELS.get(label, label) if language == "zh" else label


def name_reason(reason: str, language: Language) -> str:
    """Return what a reason is called."""
    return REASONS.get(reason, reason) if language == "zh" else reason
