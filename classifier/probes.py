"""Sentences to judge with that no data set holds: people named without malice, and ordinary short comments.

None of them is a template of `augment`: what training has seen is no proof.
"""

IDENTITIES = (
    "gay", "lesbian", "bisexual", "transgender", "trans", "queer", "black", "white", "asian", "african",
    "latino", "hispanic", "mexican", "chinese", "japanese", "indian", "arab", "american", "muslim", "jewish",
    "christian", "catholic", "buddhist", "hindu", "atheist", "female", "male", "elderly", "young", "blind",
    "deaf", "disabled", "autistic", "immigrant", "homosexual", "nonbinary",
)  # fmt: skip

SENTENCES = (
    "My daughter's {} classmate came over for dinner last night.",
    "This survey asks {} respondents how they travel to work.",
    "Three of our volunteers are {}, two are not.",
    "A {} singer opened the festival on Saturday.",
    "Would any {} gardeners like to join us on Sunday?",
    "I'm {} too, and I thought the review was fair.",
    "Someone described the hero as {}, but the text never says so.",
    "The clinic offers advice for {} patients.",
    "He told us that his parents are {} and live abroad.",
    "Great interview with a {} athlete about training in winter.",
    "Proud to be {}!",
    "{} man here, hello all.",
    "So you are {}? Me too.",
    "{} woman from the north speaking.",
)

NEUTRAL_IDENTITY = tuple(sentence.format(identity) for sentence in SENTENCES for identity in IDENTITIES)

SHORT_COMMENTS = (
    "lol", "first", "great post!!", "Thanks for sharing", "I disagree", "+1", "nice photo", "me too", "wow",
    "ok", "Good point.", "hahaha", "What a goal!", "Happy birthday", "This made my day", "typo in line 3",
    "any update?", "+10 from me", "same here", "congrats!!!", "see you there", "no", "so true", "love it",
)  # fmt: skip

COUNTER_SPEECH = (
    "Calling people retards is cruel, please edit your comment.",
    'She was told to "go back home" and I find that disgusting.',
    "I reported the account that called my son a faggot.",
    "You should not say that immigrants are parasites, that is exactly the problem.",
    "The book discusses how the word bitch is used against women in politics.",
    "My dad used to call me stupid, it took years to get over it.",
)
