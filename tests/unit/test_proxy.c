/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "suites.h"
#include "given.h"
#include "proxy.h"

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES(text) (text), sizeof(text) - 1

#define LONGEST_V6 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

/* Version 2: the signature, then version and command, family and transport, length. */
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define LOCAL SIGNATURE "\x20"
#define PROXY SIGNATURE "\x21"

/* 198.51.100.7:50312 to 192.0.2.1:80, and 2001:db8::2 port 65535 to 2001:db8::1 port 443. */
#define V4 "\xc6\x33\x64\x07" "\xc0\x00\x02\x01" "\xc4\x88" "\x00\x50"
#define V6_PEER "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define V6_OWN "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define V6 V6_PEER V6_OWN "\xff\xff" "\x01\xbb"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff"
#define V4_TEXT "198.51.100.7:50312 192.0.2.1:80"
#define V6_TEXT "[2001:db8::2]:65535 [2001:db8::1]:443"

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define PATH HUNDRED "12345678"

struct given_header {
	const char *what, *bytes;
	size_t size;
	const char *tells; /* version, local or peer and own, then what the TLVs say */
};

static const struct given_header good[] = {
	{ "TCP4", BYTES("PROXY TCP4 198.51.100.7 192.0.2.1 50312 80\r\n"), "1 " V4_TEXT },
	{ "TCP4, the shortest", BYTES("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "1 0.0.0.0:0 0.0.0.0:0" },
	{ "TCP4, the longest", BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
	  "1 255.255.255.255:65535 255.255.255.255:65535" },
	{ "TCP6", BYTES("PROXY TCP6 2001:db8::2 2001:db8::1 65535 443\r\n"), "1 " V6_TEXT },
	{ "TCP6, the shortest", BYTES("PROXY TCP6 :: :: 0 0\r\n"), "1 [::]:0 [::]:0" },
	{ "TCP6, the longest", BYTES("PROXY TCP6 " LONGEST_V6 " " LONGEST_V6 " 65535 65535\r\n"),
	  "1 [" LONGEST_V6 "]:65535 [" LONGEST_V6 "]:65535" },
	{ "TCP6, every group written", BYTES("PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0002 2001:db8:0:0:0:0:0:1 65535 443\r\n"),
	  "1 " V6_TEXT },
	{ "TCP6, either case", BYTES("PROXY TCP6 2001:DB8::2 2001:dB8::1 65535 443\r\n"), "1 " V6_TEXT },
	{ "TCP6, :: in front and behind", BYTES("PROXY TCP6 ::1 fe80:: 1 2\r\n"), "1 [::1]:1 [fe80::]:2" },
	{ "TCP6, :: for one group", BYTES("PROXY TCP6 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 1 2\r\n"),
	  "1 [1:2:3:4:5:6:7:0]:1 [0:2:3:4:5:6:7:8]:2" },
	{ "TCP6, :: in the middle", BYTES("PROXY TCP6 1:2::7:8 1::8 1 2\r\n"), "1 [1:2::7:8]:1 [1::8]:2" },
	{ "TCP6, IPv4's form", BYTES("PROXY TCP6 64:ff9b::192.0.2.33 1:2:3:4:5:6:255.255.255.255 1 2\r\n"),
	  "1 [64:ff9b::c000:221]:1 [1:2:3:4:5:6:ffff:ffff]:2" },
	{ "TCP6, mapped is IPv4", BYTES("PROXY TCP6 ::ffff:198.51.100.7 ::ffff:c000:201 50312 80\r\n"), "1 " V4_TEXT },
	{ "TCP6, one of them mapped", BYTES("PROXY TCP6 ::ffff:198.51.100.7 ::1 50312 80\r\n"), "1 198.51.100.7:50312 [::1]:80" },
	{ "UNKNOWN", BYTES("PROXY UNKNOWN\r\n"), "1 local" },
	{ "UNKNOWN with addresses", BYTES("PROXY UNKNOWN 198.51.100.7 192.0.2.1 50312 80\r\n"), "1 local" },
	{ "UNKNOWN, the longest", BYTES("PROXY UNKNOWN " LONGEST_V6 " " LONGEST_V6 " 65535 65535\r\n"), "1 local" },
	{ "UNKNOWN with anything", BYTES("PROXY UNKNOWN  \0\xff PROXY TCP4 \t\r\n"), "1 local" },

	{ "TCP over IPv4", BYTES(PROXY "\x11\0\x0c" V4), "2 " V4_TEXT },
	{ "TCP over IPv6", BYTES(PROXY "\x21\0\x24" V6), "2 " V6_TEXT },
	{ "IPv6, mapped is IPv4", BYTES(PROXY "\x21\0\x24" MAPPED "\xc6\x33\x64\x07" MAPPED "\xc0\x00\x02\x01" "\xc4\x88\x00\x50"),
	  "2 " V4_TEXT },
	{ "a stream of AF_UNIX", BYTES(PROXY "\x31\0\xd8" PATH PATH), "2 unknown unknown" },
	{ "AF_UNIX with an ALPN", BYTES(PROXY "\x31\0\xdd" PATH PATH "\1\0\2h2"), "2 unknown unknown alpn=h2" },
	{ "UNSPEC", BYTES(PROXY "\0\0\0"), "2 local" },
	{ "UNSPEC with anything behind", BYTES(PROXY "\0\0\5xxxxx"), "2 local" },
	{ "no family, a stream", BYTES(PROXY "\1\0\2xx"), "2 local" },
	{ "IPv4, no transport", BYTES(PROXY "\x10\0\2xx"), "2 local" },
	{ "AF_UNIX, no transport", BYTES(PROXY "\x30\0\0"), "2 local" },
	{ "UDP over IPv4", BYTES(PROXY "\x12\0\x0c" V4), "2 local" },
	{ "UDP over IPv6", BYTES(PROXY "\x22\0\x24" V6), "2 local" },
	{ "datagrams of AF_UNIX", BYTES(PROXY "\x32\0\xd8" PATH PATH), "2 local" },
	{ "UDP's TLVs are not looked at", BYTES(PROXY "\x12\0\x0e" V4 "\1\xff"), "2 local" },
	{ "LOCAL", BYTES(LOCAL "\0\0\0"), "2 local" },
	{ "LOCAL with a family", BYTES(LOCAL "\x11\0\x0c" V4), "2 local" },
	{ "LOCAL with a family that is none", BYTES(LOCAL "\xff\0\0"), "2 local" },
	{ "LOCAL with too few addresses", BYTES(LOCAL "\x21\0\3xxx"), "2 local" },
	{ "LOCAL with a wrong checksum, as haproxy's check would have it", BYTES(LOCAL "\0\0\7\3\0\4xxxx"), "2 local" },

	{ "ALPN", BYTES(PROXY "\x11\0\x11" V4 "\1\0\2h2"), "2 " V4_TEXT " alpn=h2" },
	{ "authority", BYTES(PROXY "\x11\0\x1a" V4 "\2\0\x0b" "example.com"), "2 " V4_TEXT " authority=example.com" },
	{ "a NOOP and an empty one", BYTES(PROXY "\x11\0\x17" V4 "\4\0\5xxxxx\4\0\0"), "2 " V4_TEXT },
	{ "a unique id", BYTES(PROXY "\x11\0\x13" V4 "\5\0\4ab\0c"), "2 " V4_TEXT " unique-id=ab" },
	{ "the longest unique id", BYTES(PROXY "\x11\0\x8f" V4 "\5\0\x80" HUNDRED TEN TEN "12345678"),
	  "2 " V4_TEXT " unique-id=" HUNDRED TEN TEN "12345678" },
	{ "a namespace", BYTES(PROXY "\x11\0\x14" V4 "\x30\0\5green"), "2 " V4_TEXT },
	{ "types that nobody knows", BYTES(PROXY "\x11\0\x18" V4 "\xea\0\3abc\xff\0\0\0\0\0"), "2 " V4_TEXT },
	{ "an empty ALPN is one", BYTES(PROXY "\x11\0\x0f" V4 "\1\0\0"), "2 " V4_TEXT " alpn=" },
	{ "the last of two", BYTES(PROXY "\x11\0\x16" V4 "\1\0\2h2\1\0\2h3"), "2 " V4_TEXT " alpn=h3" },
	{ "IPv6 with TLVs", BYTES(PROXY "\x21\0\x2e" V6 "\1\0\2h2\2\0\2ab"), "2 " V6_TEXT " alpn=h2 authority=ab" },
	{ "TLS without a certificate", BYTES(PROXY "\x11\0\x1e" V4 "\x20\0\x0f\1\0\0\0\0\x21\0\7TLSv1.3"),
	  "2 " V4_TEXT " tls tls-version=TLSv1.3" },
	{ "TLS with a good certificate",
	  BYTES(PROXY "\x11\0\x2b" V4 "\x20\0\x1c\3\0\0\0\0\x22\0\4jane\x23\0\3AES\x21\0\7TLSv1.3"),
	  "2 " V4_TEXT " tls verified tls-version=TLSv1.3 tls-cipher=AES tls-name=jane" },
	{ "TLS with a good certificate earlier in the session", BYTES(PROXY "\x11\0\x14" V4 "\x20\0\5\5\0\0\0\0"),
	  "2 " V4_TEXT " tls verified" },
	{ "TLS with a certificate that was not good", BYTES(PROXY "\x11\0\x1b" V4 "\x20\0\x0c\3\0\0\0\x01\x22\0\4jane"),
	  "2 " V4_TEXT " tls tls-name=jane" },
	{ "verified is 32 bits", BYTES(PROXY "\x11\0\x14" V4 "\x20\0\5\3\1\0\0\0"), "2 " V4_TEXT " tls" },
	{ "TLS and other algorithms", BYTES(PROXY "\x11\0\x24" V4 "\x20\0\x15\1\0\0\0\0\x24\0\6SHA256\x25\0\4RSA2"), "2 " V4_TEXT " tls" },
	{ "no TLS, as haproxy tells it", BYTES(PROXY "\x11\0\x14" V4 "\x20\0\5\0\0\0\0\0"), "2 " V4_TEXT },
	{ "no TLS, so no certificate either", BYTES(PROXY "\x11\0\x1b" V4 "\x20\0\x0c\2\0\0\0\0\x22\0\4jane"), "2 " V4_TEXT },
	{ "haproxy's own, with a checksum",
	  BYTES(PROXY "\x11\0\x4c\x7f\0\0\2\x7f\0\0\1\xb7\xd3\x6f\x37\3\0\4\xc9\xf7\xfa\xdd\5\0\x2e"
	              "7F000002:B7D3_7F000001:6F37_6B05AC4E_0000:2A61\x20\0\5\0\0\0\0\0"),
	  "2 127.0.0.2:47059 127.0.0.1:28471 unique-id=7F000002:B7D3_7F000001:6F37_6B05AC4E_0000:2A61" },
};

static const struct {
	const char *what, *bytes;
	size_t size;
} bad[] = {
	{ "no space", BYTES("PROXYTCP4 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ "two spaces", BYTES("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ "a tab", BYTES("PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ "nothing but the word", BYTES("PROXY\r\n") },
	{ "no protocol", BYTES("PROXY \r\n") },
	{ "lower-case protocol", BYTES("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ "lower-case unknown", BYTES("PROXY unknown\r\n") },
	{ "UDP", BYTES("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ "TCP alone", BYTES("PROXY TCP 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ "TCP5", BYTES("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ "TCP46", BYTES("PROXY TCP46 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ "UNKNOW", BYTES("PROXY UNKNOW\r\n") },
	{ "UNKNOWNS", BYTES("PROXY UNKNOWNS\r\n") },
	{ "UNKNOWN, ended by LF alone", BYTES("PROXY UNKNOWN\n") },
	{ "UNKNOWN, ended by CR alone", BYTES("PROXY UNKNOWN\rGET /\r\n") },
	{ "UNKNOWN with a LF in it", BYTES("PROXY UNKNOWN a\nb\r\n") },
	{ "UNKNOWN, 108 bytes", BYTES("PROXY UNKNOWN  " LONGEST_V6 " " LONGEST_V6 " 65535 65535\r\n") },
	{ "no line at all in 107 bytes", BYTES("PROXY TCP4 " HUNDRED) },
	{ "LF alone", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n") },
	{ "CR alone", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx") },
	{ "LF CR", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r") },
	{ "CR CR LF", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n") },
	{ "protocol alone", BYTES("PROXY TCP4\r\n") },
	{ "protocol and a space", BYTES("PROXY TCP4 \r\n") },
	{ "one address", BYTES("PROXY TCP4 1.2.3.4\r\n") },
	{ "two addresses", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4\r\n") },
	{ "one port", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n") },
	{ "one port and a space", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n") },
	{ "three ports", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n") },
	{ "a space at the end", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n") },
	{ "two spaces before the first address", BYTES("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n") },
	{ "two spaces between the addresses", BYTES("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n") },
	{ "two spaces before the ports", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4  1 2\r\n") },
	{ "two spaces between the ports", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1  2\r\n") },
	{ "a NUL", BYTES("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n") },
	{ "three numbers", BYTES("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n") },
	{ "five numbers", BYTES("PROXY TCP4 1.2.3.4.5 1.2.3.4 1 2\r\n") },
	{ "a dot too many", BYTES("PROXY TCP4 1.2.3.4. 1.2.3.4 1 2\r\n") },
	{ "two dots", BYTES("PROXY TCP4 1..2.3.4 1.2.3.4 1 2\r\n") },
	{ "256", BYTES("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n") },
	{ "a number that would wrap", BYTES("PROXY TCP4 4294967297.2.3.4 1.2.3.4 1 2\r\n") },
	{ "a heading zero", BYTES("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n") },
	{ "two zeros", BYTES("PROXY TCP4 1.2.3.00 1.2.3.4 1 2\r\n") },
	{ "a heading zero in the second", BYTES("PROXY TCP4 1.2.3.4 1.2.3.04 1 2\r\n") },
	{ "hexadecimal", BYTES("PROXY TCP4 0x1.2.3.4 1.2.3.4 1 2\r\n") },
	{ "a sign", BYTES("PROXY TCP4 +1.2.3.4 1.2.3.4 1 2\r\n") },
	{ "a name", BYTES("PROXY TCP4 localhost 1.2.3.4 1 2\r\n") },
	{ "IPv6 in TCP4", BYTES("PROXY TCP4 ::1 1.2.3.4 1 2\r\n") },
	{ "IPv4 in TCP6", BYTES("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ "IPv4 as the second in TCP6", BYTES("PROXY TCP6 ::1 1.2.3.4 1 2\r\n") },
	{ "port 65536", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n") },
	{ "port 65536 of the second", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n") },
	{ "a port that would wrap", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 4294967297 2\r\n") },
	{ "a port with a heading zero", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 080 2\r\n") },
	{ "port 00", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n") },
	{ "a port below zero", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n") },
	{ "a port with a sign", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n") },
	{ "a port that is a name", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 http 2\r\n") },
	{ "a port with letters behind", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2x\r\n") },
	{ "seven groups", BYTES("PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n") },
	{ "nine groups", BYTES("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n") },
	{ "five digits", BYTES("PROXY TCP6 12345::1 ::1 1 2\r\n") },
	{ "five digits, the first a zero", BYTES("PROXY TCP6 00001::1 ::1 1 2\r\n") },
	{ ":: twice", BYTES("PROXY TCP6 1::2::3 ::1 1 2\r\n") },
	{ ":: beside eight groups", BYTES("PROXY TCP6 1:2:3:4::5:6:7:8 ::1 1 2\r\n") },
	{ ":: behind eight groups", BYTES("PROXY TCP6 1:2:3:4:5:6:7:8:: ::1 1 2\r\n") },
	{ ":::", BYTES("PROXY TCP6 ::: ::1 1 2\r\n") },
	{ "a colon in front", BYTES("PROXY TCP6 :1:2:3:4:5:6:7 ::1 1 2\r\n") },
	{ "a colon behind", BYTES("PROXY TCP6 1:2:3:4:5:6:7: ::1 1 2\r\n") },
	{ "a colon behind ::", BYTES("PROXY TCP6 1::2: ::1 1 2\r\n") },
	{ "a letter too far", BYTES("PROXY TCP6 ::g ::1 1 2\r\n") },
	{ "brackets", BYTES("PROXY TCP6 [::1] ::1 1 2\r\n") },
	{ "an interface", BYTES("PROXY TCP6 fe80::1%1 ::1 1 2\r\n") },
	{ "a prefix", BYTES("PROXY TCP6 ::1/128 ::1 1 2\r\n") },
	{ "IPv4's form in front", BYTES("PROXY TCP6 1.2.3.4::1 ::1 1 2\r\n") },
	{ "IPv4's form behind seven groups", BYTES("PROXY TCP6 1:2:3:4:5:6:7:1.2.3.4 ::1 1 2\r\n") },
	{ "IPv4's form with three numbers", BYTES("PROXY TCP6 ::1.2.3 ::1 1 2\r\n") },
	{ "IPv4's form with a heading zero", BYTES("PROXY TCP6 ::ffff:1.2.3.04 ::1 1 2\r\n") },

	{ "no space, known before the line's end", BYTES("PROXYT") },
	{ "LF alone, known before a line's end", BYTES("PROXY TCP4\n") },
	{ "version 3, known at once", BYTES(SIGNATURE "\x31") },
	{ "command 2, known at once", BYTES(SIGNATURE "\x22") },
	{ "family 4, known at once", BYTES(PROXY "\x41") },
	{ "transport 3, known at once", BYTES(PROXY "\x13") },
	{ "version 1 in bytes", BYTES(SIGNATURE "\x11\x11\0\x0c" V4) },
	{ "version 3", BYTES(SIGNATURE "\x31\x11\0\x0c" V4) },
	{ "version 0", BYTES(SIGNATURE "\x01\x11\0\x0c" V4) },
	{ "command 2", BYTES(SIGNATURE "\x22\x11\0\x0c" V4) },
	{ "command 15", BYTES(SIGNATURE "\x2f\x11\0\x0c" V4) },
	{ "family 4", BYTES(PROXY "\x41\0\x0c" V4) },
	{ "family 15", BYTES(PROXY "\xf1\0\x0c" V4) },
	{ "transport 3", BYTES(PROXY "\x13\0\x0c" V4) },
	{ "transport 15", BYTES(PROXY "\x1f\0\x0c" V4) },
	{ "no family and transport 3", BYTES(PROXY "\x03\0\0") },
	{ "IPv4 without addresses", BYTES(PROXY "\x11\0\0") },
	{ "IPv4, a byte short", BYTES(PROXY "\x11\0\x0b\xc6\x33\x64\x07\xc0\x00\x02\x01\xc4\x88\x00") },
	{ "IPv6 with IPv4's length", BYTES(PROXY "\x21\0\x0c" V4) },
	{ "IPv6, a byte short", BYTES(PROXY "\x21\0\x23" V6_PEER V6_OWN "\xff\xff\1") },
	{ "AF_UNIX, a byte short", BYTES(PROXY "\x31\0\xd7" PATH HUNDRED "1234567") },
	{ "UDP, a byte short", BYTES(PROXY "\x12\0\x0b\xc6\x33\x64\x07\xc0\x00\x02\x01\xc4\x88\x00") },
	{ "longer than 8192 bytes", BYTES(PROXY "\x11\x1f\xf1" V4) },
	{ "longer than 8192 bytes, LOCAL", BYTES(LOCAL "\0\xff\xff") },
	{ "one byte of a TLV", BYTES(PROXY "\x11\0\x0d" V4 "\1") },
	{ "two bytes of a TLV", BYTES(PROXY "\x11\0\x0e" V4 "\1\0") },
	{ "a TLV that is longer than the header", BYTES(PROXY "\x11\0\x10" V4 "\1\0\2h") },
	{ "a TLV of 65535 bytes", BYTES(PROXY "\x11\0\x10" V4 "\1\xff\xff" "h") },
	{ "a byte behind the last TLV", BYTES(PROXY "\x11\0\x12" V4 "\1\0\2h2\0") },
	{ "an unknown TLV that is too long", BYTES(PROXY "\x11\0\x10" V4 "\xea\0\2h") },
	{ "a unique id of 129 bytes", BYTES(PROXY "\x11\0\x90" V4 "\5\0\x81" HUNDRED TEN TEN "123456789") },
	{ "TLS with 4 bytes", BYTES(PROXY "\x11\0\x13" V4 "\x20\0\4\1\0\0\0") },
	{ "TLS without any", BYTES(PROXY "\x11\0\x0f" V4 "\x20\0\0") },
	{ "TLS with two bytes of a TLV", BYTES(PROXY "\x11\0\x16" V4 "\x20\0\7\1\0\0\0\0\x21\0") },
	{ "TLS with a TLV that leaves it", BYTES(PROXY "\x11\0\x1b" V4 "\x20\0\x09\1\0\0\0\0\x21\0\3T\1\0\0") },
	{ "no TLS, with a TLV that leaves it", BYTES(PROXY "\x11\0\x18" V4 "\x20\0\x09\0\0\0\0\0\x21\0\2T") },
	{ "a checksum of 3 bytes", BYTES(PROXY "\x11\0\x12" V4 "\3\0\3xxx") },
	{ "a checksum of 5 bytes", BYTES(PROXY "\x11\0\x14" V4 "\3\0\5xxxxx") },
	{ "a wrong checksum", BYTES(PROXY "\x11\0\x13" V4 "\3\0\4xxxx") },
};

static const struct {
	const char *bytes;
	size_t size;
} absent[] = {
	{ BYTES("GET / HTTP/1.0\r\n\r\n") },
	{ BYTES("PUT / HTTP/1.0\r\n\r\n") },
	{ BYTES("PROX TCP4 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ BYTES("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ BYTES("Proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ BYTES(" PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n") },
	{ BYTES("\r\n") },
	{ BYTES("\r\n\r\nGET / HTTP/1.0\r\n") },
	{ BYTES("\r\n\r\n\0\r\nQUIT\r\n\x21") },
	{ BYTES("\r\n\r\n\0\r\nquit\n\x21") },
	{ BYTES("\0") },
	{ BYTES("\x16\x03\x01\x02") },
	{ BYTES("\xff\xfb\x01") },
	{ BYTES("SSH-2.0-OpenSSH\r\n") },
};

/* Memory that ends where no memory is: reading a byte too many is a crash. */
static unsigned char *edge(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (PROXY_HEADER_MAX / page + 2) * page;
	unsigned char *memory = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert_int_eq(mprotect(memory + room, page, PROT_NONE), 0);
	return memory + room;
}

static enum proxy_result parse(unsigned char *edge, const char *bytes, size_t size, struct proxy *out, size_t *length)
{
	memcpy(edge - size, bytes, size);
	memset(out, 0xff, sizeof(*out));
	*length = SIZE_MAX;
	return proxy_parse(edge - size, size, out, length);
}

static size_t add_text(char *to, size_t room, const char *name, const struct proxy_text *text)
{
	return text->at ? (size_t)snprintf(to, room, " %s=%.*s", name, (int)text->length, (const char *)text->at) : 0;
}

/* IPv4 that was left mapped would read like IPv4. */
static void add_address(char *to, const struct address *a)
{
	address_text(a, to);
	if (address_family(a) == AF_INET6 && to[0] != '[')
		strcpy(to, "mapped");
}

/* In the words of the table. */
static void describe(const struct proxy *p, char *to, size_t room)
{
	char peer[ADDRESS_TEXT], own[ADDRESS_TEXT];
	size_t n;

	add_address(peer, &p->peer);
	add_address(own, &p->own);
	n = (size_t)snprintf(to, room, "%d %s%s%s", p->version, p->local ? "local" : peer, p->local ? "" : " ", p->local ? "" : own);
	n += (size_t)snprintf(to + n, room - n, "%s%s", p->tls ? " tls" : "", p->verified ? " verified" : "");
	n += add_text(to + n, room - n, "alpn", &p->alpn);
	n += add_text(to + n, room - n, "authority", &p->authority);
	n += add_text(to + n, room - n, "unique-id", &p->unique_id);
	n += add_text(to + n, room - n, "tls-version", &p->tls_version);
	n += add_text(to + n, room - n, "tls-cipher", &p->tls_cipher);
	add_text(to + n, room - n, "tls-name", &p->tls_name);
}

static bool is_inside(const struct proxy_text *text, const unsigned char *data, size_t size)
{
	return !text->at || (text->at >= data && text->at + text->length <= data + size);
}

START_TEST(a_good_header_tells_whose_connection_it_is)
{
	const struct given_header *h = &good[_i];
	unsigned char *end = edge();
	struct proxy p;
	char text[1024];
	size_t length;
	enum proxy_result result = parse(end, h->bytes, h->size, &p, &length);

	ck_assert_msg(result == PROXY_FOUND, "%s: %s", h->what, proxy_result_name(result));
	ck_assert_msg(length == h->size, "%s: %zu of %zu bytes", h->what, length, h->size);
	describe(&p, text, sizeof(text));
	ck_assert_msg(strcmp(text, h->tells) == 0, "%s: %s", h->what, text);
	ck_assert(is_inside(&p.alpn, end - h->size, h->size) && is_inside(&p.authority, end - h->size, h->size));
	ck_assert(is_inside(&p.unique_id, end - h->size, h->size) && is_inside(&p.tls_version, end - h->size, h->size));
	ck_assert(is_inside(&p.tls_cipher, end - h->size, h->size) && is_inside(&p.tls_name, end - h->size, h->size));
	ck_assert_msg(!p.local || (p.peer.length == 0 && p.own.length == 0 && !p.tls), "%s", h->what);
}
END_TEST

START_TEST(a_good_header_cut_anywhere_is_short)
{
	const struct given_header *h = &good[_i];
	unsigned char *end = edge();
	struct proxy p;
	size_t length;

	for (size_t cut = 0; cut < h->size; cut++) {
		enum proxy_result result = parse(end, h->bytes, cut, &p, &length);

		ck_assert_msg(result == PROXY_SHORT, "%s: %zu bytes: %s", h->what, cut, proxy_result_name(result));
	}
}
END_TEST

START_TEST(what_stands_behind_a_header_is_none_of_its_business)
{
	const struct given_header *h = &good[_i];
	static const char *const behind[] = { "\r", "\n", "x", "PROXY TCP4 ", "\r\nGET / HTTP/1.0\r\n\r\n" };
	unsigned char *end = edge();
	char bytes[512], text[1024];

	for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
		size_t more = strlen(behind[i]), length;
		struct proxy p;

		memcpy(bytes, h->bytes, h->size);
		memcpy(bytes + h->size, behind[i], more);
		ck_assert_msg(parse(end, bytes, h->size + more, &p, &length) == PROXY_FOUND, "%s", h->what);
		ck_assert_msg(length == h->size, "%s: %zu of %zu bytes", h->what, length, h->size);
		describe(&p, text, sizeof(text));
		ck_assert_msg(strcmp(text, h->tells) == 0, "%s: %s", h->what, text);
	}
}
END_TEST

START_TEST(a_bad_header_is_bad_and_no_beginning_of_it_is_good)
{
	unsigned char *end = edge();
	struct proxy p;
	size_t length;
	enum proxy_result result;
	bool known = false;

	for (size_t cut = 0; cut <= bad[_i].size; cut++) {
		result = parse(end, bad[_i].bytes, cut, &p, &length);
		ck_assert_msg(result == PROXY_BAD || (result == PROXY_SHORT && !known), "%s: %zu bytes: %s", bad[_i].what, cut,
		              proxy_result_name(result));
		known = result == PROXY_BAD;
	}
	ck_assert_msg(known, "%s", bad[_i].what);
}
END_TEST

START_TEST(what_does_not_begin_like_a_header_is_known_by_its_first_wrong_byte)
{
	unsigned char *end = edge();
	struct proxy p;
	size_t length, cut = 0;

	while (cut <= absent[_i].size && parse(end, absent[_i].bytes, cut, &p, &length) == PROXY_SHORT)
		cut++;
	ck_assert_msg(_i == 6 ? cut == 3 : cut <= absent[_i].size, "row %d", _i); /* that one may yet become a signature */
	for (; cut <= absent[_i].size; cut++)
		ck_assert_msg(parse(end, absent[_i].bytes, cut, &p, &length) == PROXY_ABSENT, "row %d: %zu bytes", _i, cut);
}
END_TEST

/* CRC32c as RFC 4960 has it, a bit at a time. */
static uint32_t checksum(const unsigned char *data, size_t size)
{
	uint32_t crc = UINT32_MAX;

	while (size-- > 0) {
		crc ^= *data++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return ~crc;
}

#define CHECKED PROXY "\x11\0\x1d" V4

/* The same header with its checksum first, between, and last; `at` is where its value stands. */
static const struct {
	const char *bytes;
	size_t size, at;
} checked[] = {
	{ BYTES(CHECKED "\3\0\4\0\0\0\0" "\1\0\2h2" "\5\0\2id"), 31 },
	{ BYTES(CHECKED "\1\0\2h2" "\3\0\4\0\0\0\0" "\5\0\2id"), 36 },
	{ BYTES(CHECKED "\1\0\2h2" "\5\0\2id" "\3\0\4\0\0\0\0"), 41 },
};

START_TEST(a_checksum_is_verified)
{
	unsigned char bytes[64];
	size_t size = checked[_i].size, length;
	uint32_t sum;
	struct proxy p;

	memcpy(bytes, checked[_i].bytes, size);
	sum = htonl(checksum(bytes, size));
	memcpy(bytes + checked[_i].at, &sum, sizeof(sum));
	ck_assert_int_eq(checksum((const unsigned char *)"123456789", 9), 0xe3069283U);
	ck_assert_int_eq(proxy_parse(bytes, size, &p, &length), PROXY_FOUND);
	for (size_t bit = 16 * 8; bit < size * 8; bit++) {
		size_t at = bit / 8;

		if (at + 3 >= checked[_i].at && at < checked[_i].at) /* it would no longer be a checksum */
			continue;
		bytes[at] ^= (unsigned char)(1U << bit % 8);
		ck_assert_msg(proxy_parse(bytes, size, &p, &length) == PROXY_BAD, "bit %zu of byte %zu", bit % 8, at);
		bytes[at] ^= (unsigned char)(1U << bit % 8);
	}
}
END_TEST

START_TEST(the_longest_header_is_found_and_a_longer_one_refused_at_once)
{
	unsigned char *end = edge(), *header = end - PROXY_HEADER_MAX;
	struct proxy p;
	size_t length;

	memset(header, 'x', PROXY_HEADER_MAX);
	memcpy(header, PROXY "\x11\x1f\xf0" V4 "\x04\x1f\xe1", 31);
	ck_assert_int_eq(proxy_parse(header, PROXY_HEADER_MAX, &p, &length), PROXY_FOUND);
	ck_assert_uint_eq(length, PROXY_HEADER_MAX);
	ck_assert_int_eq(proxy_parse(header, PROXY_HEADER_MAX - 1, &p, &length), PROXY_SHORT);
	header[15]++;
	ck_assert_int_eq(proxy_parse(header, 15, &p, &length), PROXY_SHORT);
	ck_assert_int_eq(proxy_parse(header, 16, &p, &length), PROXY_BAD);
}
END_TEST

/* A text that may be an address: parts of some, joined, and perhaps spoiled. */
static void invent(int family, char *text)
{
	static const char *const parts[2][12] = {
		{ "0", "1", "10", "255", "256", "01", "00", ".", ".", ".", ".", "a" },
		{ "0", "1", "fF", "ffff", "12345", "00a0", "g", ":", ":", ":", "::", "1.2.3.4" },
	};
	int kind = family == AF_INET6, n = 1 + rand() % (kind ? 18 : 9);
	bool separated = false;

	text[0] = '\0';
	for (int i = 0; i < n; i++) {
		int part = rand() % 12;

		if (rand() % 16) /* mostly a value and a separator in turn */
			part = separated ? 7 + rand() % 3 : rand() % 4;
		separated = !separated;
		if (strlen(text) < 60)
			strcat(text, parts[kind][part]);
	}
}

START_TEST(addresses_are_taken_and_refused_as_inet_pton_does)
{
	int family = _i == 0 ? AF_INET : AF_INET6, accepted = 0;
	char text[72], line[128], said[ADDRESS_IP];
	struct proxy p;
	size_t length;

	srand(1);
	for (int i = 0; i < 100000; i++) {
		unsigned char ip[16], *got = (unsigned char *)&p.own.socket.v4.sin_addr;
		bool legal;

		invent(family, text);
		/* The second address here is never one that is unmapped. */
		snprintf(line, sizeof(line), family == AF_INET ? "PROXY TCP4 1.2.3.4 %s 1 2\r\n" : "PROXY TCP6 ::1 %s 1 2\r\n", text);
		legal = inet_pton(family, text, ip) == 1;
		ck_assert_msg((proxy_parse((unsigned char *)line, strlen(line), &p, &length) == PROXY_FOUND) == legal, "%s", line);
		if (!legal)
			continue;
		accepted++;
		if (p.own.socket.any.sa_family == AF_INET6)
			got = p.own.socket.v6.sin6_addr.s6_addr;
		address_ip(&p.own, said);
		ck_assert_msg(p.own.socket.any.sa_family != family || memcmp(got, ip, family == AF_INET ? 4 : 16) == 0, "%s: %s", text, said);
	}
	ck_assert_msg(accepted > 100, "only %d were legal", accepted);
}
END_TEST

/* Reading */

enum { PATH_PAIR, TCP_PAIR, PAIRS };

/* pair[0] is read, pair[1] is the client's. */
static void connect_pair(int kind, int pair[2])
{
	struct address bound;
	int server;

	if (kind == PATH_PAIR) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		return;
	}
	server = given_server("127.0.0.1:0", 1, &bound);
	pair[1] = given_client(&bound);
	pair[0] = accept(server, NULL, NULL);
	ck_assert_int_ge(pair[0], 0);
	close(server);
}

/* Is the process asleep? Then it waits for what comes next. */
static bool sleeps(pid_t pid)
{
	char path[32], text[256] = "", *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return true;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	state = strrchr(text, ')');
	return !state || state[2] == 'S';
}

/* Sends a piece each time that the reader waits. */
static pid_t send_in_pieces(int pair[2], const char *data, size_t size, size_t piece)
{
	pid_t reader = getpid(), pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0) {
		close(pair[1]);
		return pid;
	}
	close(pair[0]);
	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		while (!sleeps(reader))
			sched_yield();
		if (send(pair[1], data + at, n, MSG_NOSIGNAL) != (ssize_t)n)
			_exit(1);
	}
	_exit(0);
}

static int low_water(int fd)
{
	int value = -1;
	socklen_t length = sizeof(value);

	getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, &length);
	return value;
}

#define REST "\r\nthe rest\n"

static void read_in_pieces(int kind, const struct given_header *h, size_t piece)
{
	static unsigned char buffer[PROXY_HEADER_MAX];
	char data[512], rest[64], text[1024];
	size_t size = h->size + sizeof(REST) - 1, length = 0;
	int pair[2], status;
	struct proxy p;
	enum proxy_result result;
	pid_t pid;

	memcpy(data, h->bytes, h->size);
	memcpy(data + h->size, REST, sizeof(REST) - 1);
	connect_pair(kind, pair);
	pid = send_in_pieces(pair, data, size, piece);
	result = proxy_read(pair[0], PATIENCE, buffer, &p, &length);
	ck_assert_msg(result == PROXY_FOUND, "%s by %zu: %s", h->what, piece, proxy_result_name(result));
	ck_assert_msg(length == h->size, "%s by %zu: %zu bytes", h->what, piece, length);
	ck_assert_msg(memcmp(buffer, h->bytes, length) == 0, "%s by %zu", h->what, piece);
	describe(&p, text, sizeof(text));
	ck_assert_msg(strcmp(text, h->tells) == 0, "%s by %zu: %s", h->what, piece, text);
	ck_assert_int_eq(low_water(pair[0]), 1);
	ck_assert_msg(read_all(pair[0], rest, sizeof(rest)) == sizeof(REST) - 1 && memcmp(rest, REST, sizeof(REST) - 1) == 0,
	              "%s by %zu: another rest", h->what, piece);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s by %zu: not all was sent", h->what, piece);
	close(pair[0]);
}

/* Of the table, those whose lengths and endings differ. */
static const int pieced[] = { 0, 4, 14, 18, 19, 33, 48 };

START_TEST(a_header_in_pieces_of_any_size_is_read_and_nothing_behind_it)
{
	const struct given_header *h = &good[pieced[_i / PAIRS]];

	for (size_t piece = 1; piece <= h->size + sizeof(REST) - 1; piece++)
		read_in_pieces(_i % PAIRS, h, piece);
}
END_TEST

START_TEST(every_header_is_read_byte_by_byte_and_at_once)
{
	read_in_pieces(_i % PAIRS, &good[_i / PAIRS], 1);
	read_in_pieces(_i % PAIRS, &good[_i / PAIRS], 512);
}
END_TEST

#define TIMEOUT 20 /* ms; longer does not change what comes out */

static const struct {
	const char *what, *bytes;
	size_t size;
	bool ends;
	enum proxy_result result;
	long left; /* how many of the bytes stay in the socket; -1: does not matter */
} arrivals[] = {
	{ "nothing", BYTES(""), false, PROXY_SILENT, 0 },
	{ "nothing, and the end", BYTES(""), true, PROXY_CLOSED, 0 },
	{ "one byte of version 1", BYTES("P"), false, PROXY_TIMEOUT, 1 },
	{ "one byte of version 1, and the end", BYTES("P"), true, PROXY_CLOSED, 1 },
	{ "four bytes of version 1", BYTES("PROX"), false, PROXY_TIMEOUT, 4 },
	{ "four bytes of version 1, and the end", BYTES("PROX"), true, PROXY_CLOSED, 4 },
	{ "the word of version 1", BYTES("PROXY"), false, PROXY_TIMEOUT, -1 },
	{ "half of version 1", BYTES("PROXY TCP4 1.2.3.4"), false, PROXY_TIMEOUT, -1 },
	{ "half of version 1, and the end", BYTES("PROXY TCP4 1.2.3.4"), true, PROXY_CLOSED, -1 },
	{ "version 1 without LF", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r"), false, PROXY_TIMEOUT, -1 },
	{ "one byte of version 2", BYTES("\r"), false, PROXY_TIMEOUT, 1 },
	{ "the signature but its last byte", BYTES("\r\n\r\n\0\r\nQUIT"), false, PROXY_TIMEOUT, 11 },
	{ "the signature but its last byte, and the end", BYTES("\r\n\r\n\0\r\nQUIT"), true, PROXY_CLOSED, 11 },
	{ "the signature", BYTES(SIGNATURE), false, PROXY_TIMEOUT, -1 },
	{ "the signature, and the end", BYTES(SIGNATURE), true, PROXY_CLOSED, -1 },
	{ "half of version 2", BYTES(PROXY "\x11\0\x0c" "\xc6\x33"), false, PROXY_TIMEOUT, -1 },
	{ "half of version 2, and the end", BYTES(PROXY "\x11\0\x0c" "\xc6\x33"), true, PROXY_CLOSED, -1 },
	{ "something else", BYTES("GET / HTTP/1.0\r\n\r\n"), false, PROXY_ABSENT, 18 },
	{ "something else, and the end", BYTES("GET / HTTP/1.0\r\n\r\n"), true, PROXY_ABSENT, 18 },
	{ "one byte of something else", BYTES("G"), false, PROXY_ABSENT, 1 },
	{ "nearly version 1", BYTES("PROXIMITY"), false, PROXY_ABSENT, 9 },
	{ "nearly version 2", BYTES("\r\n\r\n\0\r\nQUIX\n"), false, PROXY_ABSENT, 12 },
	{ "a bad version 1", BYTES("PROXY TCP4 1.2.3.4\r\n"), false, PROXY_BAD, -1 },
	{ "a bad version 2", BYTES(SIGNATURE "\x31"), false, PROXY_BAD, -1 },
	{ "version 1, whole", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), false, PROXY_FOUND, 0 },
	{ "version 1 and the end", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), true, PROXY_FOUND, 0 },
	{ "version 1 and more", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n\r\n"), false, PROXY_FOUND, 2 },
	{ "version 2 and more", BYTES(PROXY "\x11\0\x0c" V4 "QUIT"), false, PROXY_FOUND, 4 },
	{ "version 2, more, and the end", BYTES(PROXY "\x11\0\x0c" V4 "QUIT"), true, PROXY_FOUND, 4 },
	{ "two headers", BYTES("PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n"), false, PROXY_FOUND, 15 },
};

START_TEST(what_arrives_is_told_apart_and_what_is_no_header_stays)
{
	static unsigned char buffer[PROXY_HEADER_MAX];
	int row = _i / PAIRS, pair[2];
	char left[64];
	struct proxy p;
	size_t length;
	enum proxy_result result;

	connect_pair(_i % PAIRS, pair);
	ck_assert_int_eq(send(pair[1], arrivals[row].bytes, arrivals[row].size, 0), (long)arrivals[row].size);
	if (arrivals[row].ends)
		ck_assert_int_eq(shutdown(pair[1], SHUT_WR), 0);
	/* What was sent to oneself by TCP may still be on its way. */
	ck_assert(arrivals[row].size == 0 || comes(pair[0], POLLIN));
	ck_assert(!arrivals[row].ends || comes(pair[0], POLLRDHUP));
	result = proxy_read(pair[0], TIMEOUT, buffer, &p, &length);
	ck_assert_msg(result == arrivals[row].result, "%s: %d, %s", arrivals[row].what, (int)result, proxy_result_name(result));
	ck_assert_int_eq(low_water(pair[0]), 1);
	if (arrivals[row].left < 0)
		return;
	shutdown(pair[1], SHUT_WR);
	ck_assert_msg(read_all(pair[0], left, sizeof(left)) == arrivals[row].left, "%s", arrivals[row].what);
	ck_assert(memcmp(left, arrivals[row].bytes + arrivals[row].size - arrivals[row].left, (size_t)arrivals[row].left) == 0);
}
END_TEST

/*
 * Beginnings that poll may take for something new, for all the time that there is. A loop that does not wait makes thousands of calls in
 * 100 ms. Where SO_RCVLOWAT does nothing there are 7 naps of 1, 2, 4 ... 64 ms with 7 calls around each.
 */
static const struct {
	const char *text;
	int limits[PAIRS];
} beginnings[] = {
	{ "", { 30, 30 } }, { "P", { 200, 30 } }, { "PROX", { 200, 30 } }, { "PROXY ", { 30, 30 } }, { "\r\n\r\n", { 200, 30 } },
};

START_TEST(an_end_that_comes_while_it_waits_is_noticed)
{
	static unsigned char buffer[PROXY_HEADER_MAX];
	const char *text = beginnings[_i / PAIRS].text;
	size_t length;
	struct proxy p;
	int pair[2];
	pid_t pid;

	connect_pair(_i % PAIRS, pair);
	pid = send_in_pieces(pair, text, strlen(text), 1);
	ck_assert_int_eq(proxy_read(pair[0], PATIENCE, buffer, &p, &length), PROXY_CLOSED);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(a_reset_is_an_end_and_so_is_what_is_no_socket)
{
	static unsigned char buffer[PROXY_HEADER_MAX];
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int pair[2], pipes[2];
	struct proxy p;
	size_t length;

	connect_pair(TCP_PAIR, pair);
	ck_assert_int_eq(setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	close(pair[1]);
	ck_assert(comes(pair[0], POLLHUP));
	ck_assert_int_eq(proxy_read(pair[0], PATIENCE, buffer, &p, &length), PROXY_CLOSED);
	ck_assert_int_eq(proxy_read(-1, PATIENCE, buffer, &p, &length), PROXY_CLOSED);
	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(proxy_read(pipes[0], PATIENCE, buffer, &p, &length), PROXY_CLOSED);
}
END_TEST

START_TEST(the_longest_header_is_read)
{
	static unsigned char buffer[PROXY_HEADER_MAX];
	static char data[PROXY_HEADER_MAX + 4];
	struct proxy p;
	size_t length;
	int pair[2];
	pid_t pid;

	memset(data, 'x', sizeof(data));
	memcpy(data, PROXY "\x11\x1f\xf0" V4 "\x04\x1f\xe1", 31);
	connect_pair(_i % PAIRS, pair);
	pid = send_in_pieces(pair, data, sizeof(data), _i / PAIRS ? 1000 : sizeof(data));
	ck_assert_int_eq(proxy_read(pair[0], PATIENCE, buffer, &p, &length), PROXY_FOUND);
	ck_assert_uint_eq(length, PROXY_HEADER_MAX);
	ck_assert_int_eq(read_all(pair[0], data, sizeof(data)), 4);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

static volatile sig_atomic_t alarms;

static void count_alarm(int sig)
{
	(void)sig;
	alarms++;
}

START_TEST(signals_do_not_disturb_it)
{
	static unsigned char buffer[PROXY_HEADER_MAX];
	struct sigaction action = { .sa_handler = count_alarm }; /* without SA_RESTART */
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };
	struct proxy p;
	size_t length;
	int pair[2];

	connect_pair(_i % PAIRS, pair);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	ck_assert_int_eq(proxy_read(pair[0], TIMEOUT, buffer, &p, &length), PROXY_SILENT);
	ck_assert_int_eq(send(pair[1], "PRO", 3, 0), 3);
	ck_assert_int_eq(proxy_read(pair[0], TIMEOUT, buffer, &p, &length), PROXY_TIMEOUT);
	ck_assert_int_eq(send(pair[1], "XY UNKNOWN\r\n", 12, 0), 12);
	ck_assert_int_eq(proxy_read(pair[0], PATIENCE, buffer, &p, &length), PROXY_FOUND);
	setitimer(ITIMER_REAL, &never, NULL);
	ck_assert_int_gt(alarms, 0);
}
END_TEST

/* The traced child's system calls until it ends; -1: it cannot be traced. */
static long count_calls(pid_t pid)
{
	long calls = 0;
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return -1;
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0)
			return -1;
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			return WIFEXITED(status) ? calls / 2 : -1; /* each call stops it twice */
		calls++;
	}
}

START_TEST(it_waits_without_spinning)
{
	static unsigned char buffer[PROXY_HEADER_MAX];
	const char *text = beginnings[_i / PAIRS].text;
	struct proxy p;
	size_t length;
	int pair[2];
	long calls;
	pid_t pid;

	connect_pair(_i % PAIRS, pair);
	ck_assert_int_eq(send(pair[1], text, strlen(text), 0), (long)strlen(text));
	pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(0);
		raise(SIGSTOP);
		proxy_read(pair[0], 100, buffer, &p, &length);
		_exit(0);
	}
	calls = count_calls(pid);
	ck_assert_msg(calls < beginnings[_i / PAIRS].limits[_i % PAIRS], "%ld calls", calls);
}
END_TEST

static const struct {
	enum proxy_result result;
	const char *name;
} names[] = {
	{ PROXY_FOUND, "found" },     { PROXY_SHORT, "late" },     { PROXY_ABSENT, "missing" }, { PROXY_BAD, "malformed" },
	{ PROXY_TIMEOUT, "late" },    { PROXY_SILENT, "missing" }, { PROXY_CLOSED, "closed" },
};

START_TEST(a_result_has_a_word_for_the_log)
{
	ck_assert_str_eq(proxy_result_name(names[_i].result), names[_i].name);
}
END_TEST

Suite *proxy_suite(void)
{
	Suite *s = suite_create("proxy");
	TCase *t = tcase_create("proxy");

	tcase_add_loop_test(t, a_good_header_tells_whose_connection_it_is, 0, rows(good));
	tcase_add_loop_test(t, a_good_header_cut_anywhere_is_short, 0, rows(good));
	tcase_add_loop_test(t, what_stands_behind_a_header_is_none_of_its_business, 0, rows(good));
	tcase_add_loop_test(t, a_bad_header_is_bad_and_no_beginning_of_it_is_good, 0, rows(bad));
	tcase_add_loop_test(t, what_does_not_begin_like_a_header_is_known_by_its_first_wrong_byte, 0, rows(absent));
	tcase_add_loop_test(t, a_checksum_is_verified, 0, rows(checked));
	tcase_add_test(t, the_longest_header_is_found_and_a_longer_one_refused_at_once);
	tcase_add_loop_test(t, addresses_are_taken_and_refused_as_inet_pton_does, 0, 2);
	tcase_add_loop_test(t, a_header_in_pieces_of_any_size_is_read_and_nothing_behind_it, 0, rows(pieced) * PAIRS);
	tcase_add_loop_test(t, every_header_is_read_byte_by_byte_and_at_once, 0, rows(good) * PAIRS);
	tcase_add_loop_test(t, what_arrives_is_told_apart_and_what_is_no_header_stays, 0, rows(arrivals) * PAIRS);
	tcase_add_loop_test(t, an_end_that_comes_while_it_waits_is_noticed, 0, rows(beginnings) * PAIRS);
	tcase_add_test(t, a_reset_is_an_end_and_so_is_what_is_no_socket);
	tcase_add_loop_test(t, the_longest_header_is_read, 0, 2 * PAIRS);
	tcase_add_loop_test(t, signals_do_not_disturb_it, 0, PAIRS);
	tcase_add_loop_test(t, it_waits_without_spinning, 0, rows(beginnings) * PAIRS);
	tcase_add_loop_test(t, a_result_has_a_word_for_the_log, 0, rows(names));
	suite_add_tcase(s, t);
	return s;
}
