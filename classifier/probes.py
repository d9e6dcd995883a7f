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
    "The jury has twelve members, one of them is {}.",
    "I sat beside a {} student on the train and we talked about maths.",
    "They opened a centre for {} teenagers near the station.",
    "Our {} neighbours sent us a cake.",
    "Is the actor {}? I could not find it anywhere.",
    "Nobody asked whether she is {}, and why should they.",
)

SEALED_SENTENCES = (
    "The {} couple across the road adopted a puppy in March.",
    "Is there a reading list of {} poets for school children?",
    "Her first novel follows a {} family through three winters.",
    "As far as I know, the goalkeeper is {}.",
    "A {} man held the door for me, so thanks to him.",
    "We asked forty {} voters what they think of the new bus lines.",
    "{} here. What time does the market close?",
    "My neighbour, who is {}, bakes the best bread in town.",
    "There should be more {} people on this panel.",
    "Did the museum ever show works by {} painters?",
    "He is {} and she is a dentist.",
    "I did not know that the composer was {}.",
    "The report counts {} residents separately since 2011.",
    "You sound like a {} woman from my choir, she says the same.",
    "Being {} in a small village was never a problem for us.",
    "All {} and other guests are welcome at the summer party.",
    "what is it like to be {} in your country",
    "lol I am {} and even I did not get that joke",
    "A {} nurse took care of my father, wonderful person.",
    "{} kids play football with ours every Friday.",
)
"""The half that is kept for the last run: not to be looked at while a model is made."""

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
