"""URLs and what the guard makes of each: by the code of its refusal, or the form in which it is taken.

`{port}` stands for a port that a test listens on; elsewhere it is 443.
"""


def _words(text: str) -> list[str]:
    return text.split()


#: Addresses that are not of the world, in the ordinary spelling: IPv4, then IPv6 and what hides in it.
INWARD = _words("""
0.0.0.0 0.0.0.1 0.1.2.3 0.255.255.255 10.0.0.0 10.0.0.1 10.1.2.3 10.255.255.255 100.64.0.0 100.64.0.1 100.100.100.200
100.127.255.255 127.0.0.0 127.0.0.1 127.0.0.2 127.0.1.1 127.1.2.3 127.127.127.127 127.255.255.254 127.255.255.255 168.63.129.16
169.254.0.0 169.254.0.1 169.254.169.123 169.254.169.253 169.254.169.254 169.254.170.2 169.254.255.255 172.16.0.0 172.16.0.1
172.17.0.1 172.20.10.2 172.31.255.255 192.0.0.0 192.0.0.1 192.0.0.8 192.0.0.170 192.0.0.192 192.0.0.255 192.0.2.0 192.0.2.1
192.0.2.255 192.88.99.0 192.88.99.1 192.88.99.255 192.168.0.0 192.168.0.1 192.168.1.1 192.168.99.100 192.168.255.255 198.18.0.0
198.18.0.1 198.19.255.255 198.51.100.0 198.51.100.7 198.51.100.255 203.0.113.0 203.0.113.9 203.0.113.255 224.0.0.0 224.0.0.1
224.0.0.251 232.1.2.3 239.255.255.250 239.255.255.255 240.0.0.0 240.0.0.1 250.1.2.3 255.0.0.0 255.255.255.254 255.255.255.255
[::] [::1] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::0] [::2] [::ffff] [::ffff:127.0.0.1] [::ffff:7f00:1]
[0:0:0:0:0:ffff:127.0.0.1] [::FFFF:10.0.0.1] [::ffff:a00:1] [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [::ffff:192.168.1.1]
[::ffff:0.0.0.0] [::ffff:100.64.0.1] [::ffff:224.0.0.1] [::ffff:255.255.255.255] [::127.0.0.1] [::7f00:1] [::10.0.0.1] [::a00:1]
[::169.254.169.254] [::a9fe:a9fe] [::192.168.0.1] [::8.8.8.8] [::ffff:0:127.0.0.1] [::ffff:0:7f00:1] [::ffff:0:10.0.0.1]
[::ffff:0:169.254.169.254] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::10.0.0.1] [64:ff9b::a00:1] [64:ff9b::169.254.169.254]
[64:ff9b::a9fe:a9fe] [64:ff9b::192.168.0.1] [64:ff9b::172.16.0.1] [64:ff9b::100.64.0.1] [64:ff9b::0.0.0.0] [64:ff9b::224.0.0.1]
[64:ff9b:1::127.0.0.1] [64:ff9b:1::10.0.0.1] [64:ff9b:1::8.8.8.8] [64:ff9b:1:7f00:0:100::] [64:ff9b:1:a00:0:100::] [64:ff9b:1::a9fe:a9fe]
[64:ff9b:1:ffff:ffff:ffff:ffff:ffff] [64:ff9b:2::8.8.8.8] [2002:7f00:1::] [2002:7f00:1::1] [2002:a00:1::] [2002:a9fe:a9fe::]
[2002:c0a8:101::1] [2002:ac10:1::] [2002:6440:1::] [2002:808:808::] [2002::] [2002:e000:1::] [2001::] [2001:0:7f00:1::]
[2001:0:808:808:0:0:80ff:fffe] [2001:0:4136:e378:8000:63bf:3fff:fdd2] [2001:0:a00:1::f5ff:fffe] [2001:0:0808:0808::f7f7:f7f7] [2001:2::1]
[2001:10::1] [2001:20::1] [2001:1::1] [2001:1ff:ffff::1] [2001:db8::] [2001:db8::1] [2001:db8:ffff:ffff:ffff:ffff:ffff:ffff] [3fff::1]
[3fff:fff::1] [3ffe::1] [5f00::1] [100::] [100::1] [100:0:0:1::1] [200::1] [400::1] [800::1] [1000::1] [1fff:ffff::1] [4000::1] [6000::1]
[8000::1] [a000::1] [c000::1] [e000::1] [f000::1] [f800::1] [fa00::1] [fc00::] [fc00::1] [fc12:3456::7] [fd00::1] [fd00:ec2::254]
[fd20:ce::254] [fd12:3456:789a:1::1] [fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff] [fe00::1] [fe80::] [fe80::1] [fe80::a00:27ff:fe4e:66a1]
[febf:ffff::1] [fec0::1] [feff:ffff::1] [ff00::] [ff01::1] [ff02::1] [ff02::fb] [ff05::2] [ff0e::1] [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]
[2607:f8b0::5efe:127.0.0.1] [2607:f8b0::5efe:10.0.0.1] [2607:f8b0::200:5efe:10.0.0.1] [2607:f8b0:0:1:0:5efe:a9fe:a9fe]
[2a00:1450::200:5efe:192.168.0.1] [fe80::5efe:8.8.8.8] [2607:f8b0::5efe:0.0.0.0] [::5efe:10.0.0.1]
""")

#: Spellings of IPv4 addresses that one reader takes for a name and another for 127.0.0.1 or the like.
ODD_IPV4 = _words("""
2130706433 0x7f000001 0x7F000001 0X7f000001 017700000001 0177.0.0.1 0x7f.0.0.1 0x7f.1 127.1 127.0.1 127.0.0.01 127.00.0.1
0127.0.0.1 127.0.0.0x1 127.0.0.1.1 127.0.0.256 256.1.1.1 1.2.3 1.2 1 0 00 0x0 0x 4294967295 4294967296 99999999999 0xffffffff
3232235521 0xc0a80001 0300.0250.0.1 0xa.0.0.1 012.0.0.1 10.1 192.168.257 169.254.43518 0xa9fea9fe 2852039166 0251.0376.0251.0376
0xa9.0xfe.0xa9.0xfe 0x7f.0x0.0x0.0x1 00000177.00000000.0.01 example.0x7f example.1 a.b.c.09 127.0.0.1.0x 0x7f000001.0 1.1.1.1.1
""")

INSIDE = _words("""
localhost LOCALHOST LocalHost localhost.localdomain a.localhost a.b.localhost db redis valkey postgres metadata kubernetes intranet
printer.local router.lan nas.home web.internal metadata.google.internal instance-data.ec2.internal kubernetes.default.svc.cluster.local
host.docker.internal gateway.docker.internal app.corp x.private x.home.arpa x.intranet com ⓛocalhost ｌｏｃａｌｈｏｓｔ ℓocalhost LOCALHOſT
""")

BAD_HOST = _words("""
example.org. localhost. 127.0.0.1. 8.8.8.8. .example.org example..org . .. -example.org example-.org a.-b.org ex%61mple.org
%31%32%37.0.0.1 %6c%6f%63alhost example.org%00.evil.org example.org%2f ex_amp!e.org ex*mple.org *.example.org (localhost) a,b.org
a;b.org a=b.org a$b.org a&b.org a+b.org a~b.org 'a'.org [127.0.0.1] [localhost] [] [:] [:::1] [::1 ::1] [::1]] [[::1] [::1]x [1:2] [::g]
[12345::] [::1.2.3] [::1.2.3.4.5] [::256.0.0.1] [::01.2.3.4] [fe80::1%25eth0] [fe80::1%eth0] [fe80::1%251] [::1%25lo] [v1.fe80] [::ffff:0x7f.1] [0x::1]
exa_mple-.org xn-- xn--.org- ☺.example a☁.example a．．b 。example.org ex\u200dample.org \u202eexample.org a\u2060b.-org ‥.org ½.org
""")  # fmt: skip

#: Whole URLs, by the code of their refusal.
REFUSED: dict[str, list[str]] = {
    "address": [f"https://{host}:{{port}}/hook" for host in INWARD]
    + ["https://１２７.0.0.1:{port}/", "https://127。0。0。1:{port}/", "https://①②⑦.⓪.⓪.①:{port}/", "https://10｡0｡0｡1:{port}/x?y=z"],
    "host": [f"https://{host}:{{port}}/hook" for host in [*ODD_IPV4, *INSIDE, *BAD_HOST]]
    + [
        "https://", "https:///", "https:///hook", "https://:443/", "https://?x", "https://example.org:", "https://example.org:/", "https://example.org:0443/",
        "https://example.org:+443/", "https://example.org:-1/", "https://example.org:443:443/", "https://example.org:4 43".replace(" ", "e"),
        "https://example.org:４４３/", "https://example.org:0/", "https://example.org:443443/", f"https://{'a' * 64}.org/", f"https://{'a.' * 126}org/",
        "https://[::1]:/", "https://[::1]443/", "https://[8.8.8.8]:443/", f"https://{'ä' * 60}.org/",
    ],
    "scheme": _words("""
http://example.org/ HTTP://example.org/ ftp://example.org/ file:///etc/passwd file://localhost/etc/passwd gopher://127.0.0.1:6379/_x
dict://127.0.0.1:11211/ ldap://127.0.0.1/ ws://example.org/ wss://example.org/ jar://x/ tcp://127.0.0.1:22/ redis://127.0.0.1/
unix:///var/run/docker.sock httpss://example.org/ https+unix://x/ sftp://x.org/ netdoc://x/ data://x php://filter s3://bucket/x
"""),
    "form": [*_words("""
example.org example.org/hook //example.org/hook /hook hook https:example.org https:/example.org https:/127.0.0.1/ javascript:alert(1)
data:text/html,x mailto:a@example.org about:blank : :// ://example.org 1https://example.org/ ?https://example.org https//example.org
"""), ""],
    "userinfo": _words("""
https://user@example.org/ https://user:pass@example.org/ https://@example.org/ https://:@example.org/ https://example.org@127.0.0.1/
https://example.org:443@127.0.0.1/ https://127.0.0.1@example.org/ https://a@b@example.org/ https://example.org%40@127.0.0.1/ https://1.1.1.1&@2.2.2.2/
https://foo@[::1]/ https://example.org;@127.0.0.1/ https://u:p@[::ffff:10.0.0.1]:443/
"""),
    "fragment": _words("""
https://example.org/# https://example.org/#x https://example.org#@127.0.0.1/ https://example.org/a?b#c https://127.0.0.1#example.org #
"""),
    "port": _words("""
https://example.org:1/ https://example.org:22/ https://example.org:25/ https://example.org:80/ https://example.org:444/ https://example.org:6379/
https://example.org:5432/ https://example.org:8443/ https://example.org:9200/ https://example.org:65535/ https://example.org:65536/ https://example.org:99999/
https://8.8.8.8:8080/ https://127.0.0.1:6379/ https://[::1]:22/
"""),
    "length": ["https://example.org/" + "a" * 1981, "https://example.org/?" + "%20" * 1000, "https://" + "a." * 2000 + "org/"],
    "characters": [
        "https://example.org\\@127.0.0.1/", "https://example.org\\.evil.org/", "https:\\\\example.org/", "https://127.0.0.1\\example.org", "https://exa mple.org/",
        " https://example.org/", "https://example.org/ ", "\thttps://example.org", "https://example.org\n", "https://exam\nple.org/", "https://example.org/\r\nHost: x",
        "https://example.org/a b", "https://example.org/\x00", "https://example.org\x00.evil.org/", "https://example.org/\x7f", "https://example.org/\x85",
        "https://example.org/<script>", 'https://example.org/"', "https://example.org/{x}", "https://example.org/|", "https://example.org/^", "https://example.org/`",
        "https://example.org/ü", "https://example.org/?q=ü", "https://example.org/%", "https://example.org/%2", "https://example.org/%zz", "https://example.org/?%", "https://example.org/?[1]",
        "https://example.org/\ud800", "https://example.org/💩", "https://[::1\t]/", "ht\ntps://example.org/", "https://exa\tmple.org/", "https://example.org/\x1b[0m", "https://a\u0080.org/",
    ],
}  # fmt: skip

#: What is taken, and in which form.
TAKEN: dict[str, str] = {
    "https://example.org": "https://example.org/",
    "https://example.org/": "https://example.org/",
    "HTTPS://EXAMPLE.ORG/Hook": "https://example.org/Hook",
    "https://example.org:443/hook": "https://example.org/hook",
    "https://example.org?x=1": "https://example.org/?x=1",
    "https://example.org/?": "https://example.org/?",
    "https://example.org/a//b/../c/./d": "https://example.org/a//b/../c/./d",
    "https://example.org/%2e%2E/%00?u=https://127.0.0.1/@x:80": "https://example.org/%2e%2E/%00?u=https://127.0.0.1/@x:80",
    "https://example.org/a;b=c,d/(e)'f'*!$&+~_.-?g=h&i=j?/@:": "https://example.org/a;b=c,d/(e)'f'*!$&+~_.-?g=h&i=j?/@:",
    "https://hooks.example.co.uk/services/T0/B0/xyz": "https://hooks.example.co.uk/services/T0/B0/xyz",
    "https://a-b.c-d.example/": "https://a-b.c-d.example/",
    "https://_hook.example.org/": "https://_hook.example.org/",
    "https://1.example.org/": "https://1.example.org/",
    "https://127.0.0.1.nip.io/": "https://127.0.0.1.nip.io/",
    "https://0x7f.example.org/": "https://0x7f.example.org/",
    "https://xn--bcher-kva.example/": "https://xn--bcher-kva.example/",
    "https://bücher.example/": "https://xn--bcher-kva.example/",
    "https://BÜCHER.example/x": "https://xn--bcher-kva.example/x",
    "https://faß.example/": "https://xn--fa-hia.example/",
    "https://例え.テスト/": "https://xn--r8jz45g.xn--zckzah/",
    "https://ｅｘａｍｐｌｅ.org/": "https://example.org/",
    "https://a。b．org/": "https://a.b.org/",
    "https://8.8.8.8/": "https://8.8.8.8/",
    "https://９.9.9.9/": "https://9.9.9.9/",
    "https://1.1.1.1:443/x": "https://1.1.1.1/x",
    "https://100.63.255.255/": "https://100.63.255.255/",
    "https://100.128.0.0/": "https://100.128.0.0/",
    "https://172.15.255.255/": "https://172.15.255.255/",
    "https://172.32.0.0/": "https://172.32.0.0/",
    "https://9.255.255.255/": "https://9.255.255.255/",
    "https://11.0.0.0/": "https://11.0.0.0/",
    "https://126.255.255.255/": "https://126.255.255.255/",
    "https://128.0.0.0/": "https://128.0.0.0/",
    "https://223.255.255.255/": "https://223.255.255.255/",
    "https://[2606:4700:4700::1111]/": "https://[2606:4700:4700::1111]/",
    "https://[2606:4700:4700:0:0:0:0:1111]:443/x": "https://[2606:4700:4700::1111]/x",
    "https://[2A00:1450:4001:0812::200E]/": "https://[2a00:1450:4001:812::200e]/",
    "https://[2001:200::1]/": "https://[2001:200::1]/",
    "https://[2001:4860:4860::8888]/": "https://[2001:4860:4860::8888]/",
    "https://[::ffff:8.8.8.8]/": "https://8.8.8.8/",
    "https://[64:ff9b::8.8.8.8]/": "https://[64:ff9b::808:808]/",
    "https://[2607:f8b0::5efe:8.8.8.8]/": "https://[2607:f8b0::5efe:808:808]/",
    f"https://{'a' * 63}.org/": f"https://{'a' * 63}.org/",
    "https://example.org/" + "a" * 1980: "https://example.org/" + "a" * 1980,
}

#: Names that lead inward when they are looked up; what they look like says nothing.
REBINDING = _words("""
127.0.0.1.nip.io localtest.me lvh.me 10.0.0.1.xip.io vcap.me spoofed.burpcollaborator.net rebind.network 7f000001.c0a80001.rbndr.us
customer1.app.localhost.my.company.127.0.0.1.nip.io readme.localtest.me mail.ebc.apple.com bugbounty.dod.network www.owasp.org.1ynrnhl.xip.io
internal.example.org metadata.example.org
""")
