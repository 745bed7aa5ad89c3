"""English as people type it: what a message shows, and what it must not show."""

from __future__ import annotations

import pytest

from tutela.signals.conversation.lexicon import Lexicon, language_file
from tutela.signals.conversation.stages import stage_of

#: Stages that nothing harmless may show.
GRAVE = frozenset(("isolation", "secrecy", "risk", "pressure", "threat", "self-harm"))
KNOWN = frozenset(("calls-family", "calls-teacher", "shares-life"))


@pytest.fixture(scope="module")
def english() -> Lexicon:
    return Lexicon.of(language_file("en"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hey how old r u", {"asks-age"}),
        ("14/f/cali, u?", {"asks-age"}),
        ("wat part of texas u in", {"asks-place"}),
        ("may i know in which country you are living", {"asks-place"}),
        ("is ur house near the school", {"asks-place"}),
        ("wat school u go to", {"asks-school"}),
        ("tell me about urself", {"asks-about-you"}),
        ("u dont look 13", {"speaks-of-youth"}),
        ("i hope its ok im a lot older than you", {"plays-down-age"}),
        ("people our age difference... love doesnt know any age", {"plays-down-age"}),
        ("u r adorable", {"compliments"}),
        ("i keep forgetting how young u are", {"mature"}),
        ("i feel like ive known u forever", {"special"}),
        ("u can tell me anything i wont judge", {"understands"}),
        ("i cant stop thinkin about u", {"affection"}),
        ("your mum is being so unfair to you", {"against-parents"}),
        ("they arent real friends", {"against-friends"}),
        ("no one understands u like me", {"only-me"}),
        ("u cant tell any1 about this ok", {"our-secret"}),
        ("save my number under a girls name", {"our-secret"}),
        ("if anyone asks say im ur cousin", {"our-secret"}),
        ("what would your dad do if he found out", {"hide-from-parents"}),
        ("just tell ur mom u r sleeping over at a friends", {"hide-from-parents"}),
        ("make sure u erase these messages", {"delete-traces"}),
        ("my wife would leave me and i'd lose my kids", {"trouble"}),
        ("u know what would happen to me if ur dad found out, id be arrested", {"trouble"}),
        ("so its just u n ur bro at home rite, wat time does ur mom get home", {"who-is-home"}),
        ("mom home?", {"who-is-home"}),
        ("are you able to talk without anyone hearing", {"who-is-home"}),
        ("when do u have the house to yourself", {"who-is-home"}),
        ("they ever take ur phone and look thru it", {"who-sees-phone"}),
        ("will it show on the bill if i call", {"who-sees-phone"}),
        ("is the computer in ur room", {"where-in-house"}),
        ("how do i know ur not the police", {"fears-police"}),
        ("talk to me on the phone so i know ur real", {"fears-police"}),
        ("this app gets monitored lets use signal", {"other-service"}),
        ("is there a number i can reach u at", {"asks-number"}),
        ("messages vanish on there so nobody can see", {"private-account"}),
        ("ill give u 1000 robux", {"game-currency"}),
        ("ill pay for ur bus ticket", {"money-or-presents"}),
        ("im a photographer and ur perfect for a shoot", {"job-offer"}),
        ("so how many bfs have u had", {"asks-experience"}),
        ("i would like to see your face please", {"asks-picture"}),
        ("ill send mine if u send urs", {"asks-picture"}),
        ("ill turn mine on if u turn ur cam on", {"asks-camera"}),
        ("if i came to ur town would u see me", {"asks-meeting"}),
        ("would you skip school to see me", {"asks-meeting"}),
        ("walk down to the corner so they dont see my car", {"arranges-meeting"}),
        ("ill have u home before ur mom gets back", {"arranges-meeting"}),
        ("dont bring ur phone", {"arranges-meeting"}),
        ("if u trusted me youd show me", {"if-you-loved-me"}),
        ("everyone ur age does it", {"prove-it"}),
        ("what do i get in return", {"you-owe-me"}),
        ("just one time and ill never ask again", {"keeps-pushing"}),
        ("fine ill find someone else", {"guilt"}),
        ("dont make me send this to ur school", {"share-threat"}),
        ("i have ur followers list and im sending it to all of them", {"share-threat"}),
        ("i screenshotted everything you said", {"holds-material"}),
        ("transfer 300 now or your pics go online", {"pay-or-else"}),
        ("ill give u till midnight to pay", {"deadline"}),
        ("i can find where u live easily", {"harm-threat"}),
        ("nobody would miss u", {"hurt-yourself"}),
        ("prove ur loyalty to the group", {"proof-of-loyalty"}),
        ("pls stop asking, im not comfortable with that", {"refuses"}),
        ("im in 8th grade", {"minor"}),
        ("thanks mum, see you at nans", {"calls-family"}),
        ("hi coach what time is practice", {"calls-teacher"}),
        ("see you at training tomorrow", {"shares-life"}),
    ],
)
def test_what_a_message_shows(english: Lexicon, text: str, shown: set[str]) -> None:
    assert shown <= set(english.read(text).signals)


@pytest.mark.parametrize(
    "text",
    [
        "are you home yet? i've left lasagna in the oven",
        "dont tell dad, its a surprise for his birthday",
        "delete that pic i look awful",
        "lets meet at the library at 4 to finish the project",
        "bring your passport and a parent for the appointment",
        "hey is your brother around, i need to return his bike",
        "please keep your answers to yourself during the exam",
        "never share your password with anyone, not even your friends",
        "if someone online asks you to keep a secret from your parents, tell an adult you trust",
        "predators often say things like you are so mature for your age",
        "a stranger asked me if i was home alone and i blocked him",
        "he said dont tell your mum and i got really scared",
        "they may say that nobody must know",
        "groomers often tell children to delete their messages",
        "if someone says they will send your pictures to your friends, do not pay",
        "if anyone threatens to share your photos, report it",
        "a person who really loves you would never pressure you",
        "you are not in trouble, tell a trusted adult",
        "are you hurting yourself? please talk to someone, i care about you",
        "nobody would miss you is a horrible thing to say, i would miss you so much",
        "my friend says she wants to die what should i do",
        "hope you dont cut yourself on that glass",
        "are you a police officer in this roleplay or a robber",
        "gg we lost because you didnt push mid",
        "im gonna end you in the next round haha",
        "i know where you live lol its next door to me",
        "i'll find you in the cafeteria at lunch",
        "ill show your drawings to the class, they are great",
        "ill send the pictures from the wedding to everyone tonight",
        "i will post the team photo on the school website",
        "i recorded the lecture if you missed it",
        "send me 10 bucks for the pizza and we're even",
        "you have until friday to hand in the essay",
        "you have 5 minutes to get changed",
        "times up everybody, please put your pens down",
        "your time is running out, buy now",
        "if you do not pay your account will be suspended",
        "gift cards make great christmas presents",
        "final warning: no spam in this chat or you will be banned",
        "if you dont tidy your room there is no xbox this weekend",
        "do as you are told young man",
        "your parents are right to be worried",
        "my parents are so annoying they never let me go out",
        "your friends seem really nice",
        "we could lose the match",
        "i lost my keys again",
        "you could lose your licence for that",
        "go to jail, do not pass go",
        "why didn't you come to training yesterday",
        "come on lads lets win this one",
        "why not try turning it off and on again",
        "just one more episode and then bed",
        "please do it again, i missed it",
        "dont be shy, ask questions if anything is unclear",
        "you owe me a coffee",
        "prove it, show me your math proof of theorem 2",
        "write your name on the top of the paper",
        "can you share your screen so i can see the error",
        "set your phone to silent, the film is starting",
        "have you cleared your browser cache and cookies",
        "where is everyone? the meeting started",
        "i hate being home alone its creepy",
        "let me know when you get there safe",
        "our secret ingredient is cinnamon",
        "how tall are you? i need to order your jersey",
        "the film was so sad i cried for an hour",
        "i miss you, see you at christmas sis",
    ],
)
def test_everyday_talk_shows_nothing_grave(english: Lexicon, text: str) -> None:
    assert [signal for signal in english.read(text).signals if stage_of()[signal].id in GRAVE] == []


@pytest.mark.parametrize(
    "text",
    [
        "mom is at work",
        "no mom isnt home",
        "yeah mum and dad are out",
        "just my mom",
        "im in my room",
        "im home now",
        "i have to ask mom",
        "can you pick me up at school",
        "see you after school",
        "can i come over",
        "our house is near the park",
        "yes sir",
        "miss you",
        "remember when we talked all night",
    ],
)
def test_a_child_s_answer_to_a_stranger_is_no_sign_that_they_know_each_other(english: Lexicon, text: str) -> None:
    assert KNOWN.isdisjoint(english.read(text).signals)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("im 13 btw", 13),
        ("14f", 14),
        ("i am 34", 34),
        ("13 yo girl here", 13),
        ("im 20 minutes away", None),
        ("15", None),
    ],
)
def test_a_stated_age(english: Lexicon, text: str, age: int | None) -> None:
    assert english.read(text).age == age


@pytest.mark.parametrize(
    ("before", "text", "signal"),
    [
        ("so are u", "alone now", "who-is-home"),
        ("dont tell", "ur mom about us", "hide-from-parents"),
        ("u got a", "pic?", "asks-picture"),
    ],
)
def test_a_phrase_goes_on_in_the_next_message(english: Lexicon, before: str, text: str, signal: str) -> None:
    assert signal in english.read(text, before=before.split()).signals
