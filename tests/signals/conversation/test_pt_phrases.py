"""What the Portuguese language file recognises, in Brazilian and European chat, and what it leaves alone."""

from __future__ import annotations

from functools import cache

import pytest

from tutela.signals.conversation.lexicon import Lexicon, language_file
from tutela.signals.conversation.stages import stage_of

GRAVE = {"isolation", "secrecy", "risk", "pressure", "threat", "self-harm"}


@cache
def lexicon() -> Lexicon:
    return Lexicon.of(language_file("pt"))


@pytest.mark.parametrize(
    ("text", "signals"),
    [
        ("qts anos vc tem?", {"asks-age"}),
        ("q idade tens miúda", {"asks-age"}),
        ("oi de onde vc tc", {"asks-place"}),
        ("em que bairro moras", {"asks-place"}),
        ("vc estuda em q escola", {"asks-school"}),
        ("tens namorado ou tás solteira?", {"asks-about-you"}),
        ("vc é mto novinha ainda", {"speaks-of-youth"}),
        ("a idade é só um número", {"plays-down-age"}),
        ("não te importas q eu seja mais velho?", {"plays-down-age"}),
        ("oi princesa tudo bem", {"compliments"}),
        ("és mt madura pra tua idade", {"mature"}),
        ("nunca conheci ninguém como tu", {"special"}),
        ("pode confiar em mim pra tudo", {"understands"}),
        ("não paro de pensar em ti", {"affection"}),
        ("seus pais n te entendem", {"against-parents"}),
        ("tratam-te como uma criança", {"against-parents"}),
        ("as tuas amigas são falsas", {"against-friends"}),
        ("ninguém te percebe como eu", {"only-me"}),
        ("sabes guardar um segredo?", {"our-secret"}),
        ("n conta pra ngm tá", {"our-secret"}),
        ("isso fica só entre nós dois", {"our-secret"}),
        ("não digas nada à tua mãe", {"hide-from-parents"}),
        ("se tua mãe perguntar fala q sou uma amiga", {"hide-from-parents"}),
        ("seus pais não podem saber disso", {"hide-from-parents"}),
        ("apaga a conversa depois de leres", {"delete-traces"}),
        ("já deletou as msgs?", {"delete-traces"}),
        ("posso ir preso por falar contigo", {"trouble"}),
        ("tá sozinha em casa agora?", {"who-is-home"}),
        ("a q horas chega o teu pai", {"who-is-home"}),
        ("quem mais tá aí com vc", {"who-is-home"}),
        ("sua mãe mexe no seu celular?", {"who-sees-phone"}),
        ("alguém vê o teu telemóvel?", {"who-sees-phone"}),
        ("tranca a porta do quarto", {"where-in-house"}),
        ("como sei q vc n é da polícia", {"fears-police"}),
        ("me chama no zap", {"other-service"}),
        ("vamos pra um app mais seguro", {"other-service"}),
        ("dá-me o teu número", {"asks-number"}),
        ("cria outra conta só pra falar comigo", {"private-account"}),
        ("dou-te robux de graça", {"game-currency"}),
        ("compro-te um telemóvel novo", {"money-or-presents"}),
        ("sou fotógrafo de uma agência de modelos", {"job-offer"}),
        ("manda uma foto sua só pra mim", {"asks-picture"}),
        ("liga a câmara", {"asks-camera"}),
        ("bora fazer chamada de vídeo", {"asks-camera"}),
        ("queria te conhecer pessoalmente", {"asks-meeting"}),
        ("vou te buscar na esquina, vem sozinha", {"arranges-meeting"}),
        ("pega um uber que eu pago", {"arranges-meeting"}),
        ("se gostasses de mim mandavas", {"if-you-loved-me"}),
        ("deixa de ser criança, todo mundo faz isso", {"prove-it"}),
        ("depois de tudo o que fiz por ti", {"you-owe-me"}),
        ("vá lá só uma, ninguém vai ver", {"keeps-pushing"}),
        ("assim me deixas triste", {"guilt"}),
        ("vou mandar suas fotos pra todo mundo", {"share-threat"}),
        ("ou pagas ou mostro tudo aos teus pais", {"share-threat"}),
        ("tenho as tuas fotos todas guardadas", {"holds-material"}),
        ("manda 200 reais no pix agora", {"pay-or-else"}),
        ("só tens 1 hora", {"deadline"}),
        ("sei onde moras", {"harm-threat"}),
        ("ninguém ia sentir a tua falta", {"hurt-yourself"}),
        ("escreve o meu nome no teu braço", {"proof-of-loyalty"}),
        ("prova a tua lealdade ao grupo", {"proof-of-loyalty"}),
        ("não quero mandar", {"refuses"}),
        ("minha mãe não deixa", {"minor"}),
        ("ok mãe já vou", {"calls-family"}),
        ("bom dia professora", {"calls-teacher"}),
        ("até amanhã no treino", {"shares-life"}),
    ],
)
def test_an_approach_in_portuguese_is_recognised(text: str, signals: set[str]) -> None:
    assert signals <= set(lexicon().read(text).signals)


@pytest.mark.parametrize(
    "text",
    [
        "mãe chego às 7 para jantar",
        "manda foto da página do livro",
        "a prova de história é amanhã, estudaste?",
        "não contes à mãe, é surpresa para o aniversário dela",
        "vamos ao cinema com a turma sábado?",
        "olá, a sua encomenda chega hoje, está alguém em casa para a entrega?",
        "o treino hoje é às 18h",
        "se alguém te pedir fotos, conta à professora",
        "nunca partilhes a tua morada na internet",
        "ele disse que ia mandar as minhas fotos para todo mundo",
        "um gajo pediu-me fotos e eu bloqueei",
        "bora jogar free fire",
        "vou te destruir na ranked",
        "te mato kkkk",
        "passa a vaquinha do presente da professora",
        "arruma o teu quarto",
        "cuidado com a faca a cortar a cebola",
        "toma o remédio da tosse de manhã e à noite",
        "não te magoes por favor",
        "guarda segredo da festa surpresa",
        "quanto custa o ingresso?",
        "tira a roupa da máquina de lavar",
        "veste um casaco que tá frio",
        "tens até sexta para entregar o trabalho",
        "tens 5 minutos?",
        "diz à tua mãe que ligo mais tarde",
        "conta-me como foi o teu dia",
        "apaga a luz antes de dormir",
        "apaga a mensagem que mandei no grupo errado",
        "o banco nunca pede a sua senha por mensagem",
        "amor, compra pão no caminho",
        "saudades tuas, quando voltas da viagem?",
        "faltam 10 minutos para o jogo",
        "posso copiar teu trabalho?",
        "ninguém sabe a resposta do 5",
        "não fiques triste, foi só um jogo",
        "tou triste, perdemos o jogo",
        "se precisares de falar estou aqui",
        "os meus pais são chatos mas gosto deles",
        "desculpa não responder, tava a dormir",
        "responde quando puderes",
        "vá lá equipa, vamos ganhar",
        "tens medo de aranhas?",
        "não tenhas medo do dentista",
        "todos fizeram o trabalho menos eu",
        "deves-me um gelado",
        "qual é a password do wifi?",
        "muda a tua password, foi comprometida",
        "vi a tua mãe no supermercado",
        "gravei o jogo de ontem para ti",
        "tenho todas as fotos da viagem",
        "vou postar as fotos da festa hoje",
        "isto é proibido nas regras do servidor",
        "vai para a cama que amanhã tens escola",
        "fica no teu quarto a estudar",
        "não abras a porta a estranhos",
        "liga a câmara para a reunião por favor",
        "faz o que a professora mandou",
        "guarda o telemóvel e vai dormir",
        "o meu pai vai-me matar, parti o vidro",
        "relaxa, é só um jogo",
        "duvido que chova",
    ],
)
def test_daily_talk_in_portuguese_shows_none_of_the_grave_stages(text: str) -> None:
    stages = stage_of()
    assert not {signal for signal in lexicon().read(text).signals if stages[signal].id in GRAVE}


def test_every_signal_has_phrases_in_portuguese() -> None:
    assert set(language_file("pt").signals) == set(stage_of())


@pytest.mark.parametrize(("text", "age"), [("tenho 13 anos", 13), ("15 e vc", 15), ("tenho 2 gatos e 14 peixes", None)])
def test_an_age_is_read_in_portuguese(text: str, age: int | None) -> None:
    assert lexicon().read(text).age == age
