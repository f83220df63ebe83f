# Flags are kept in variables of their own, so that CFLAGS stays the user's.

# PREFORK_C17: the newest mode of the compiler that has C17.
AC_DEFUN([PREFORK_C17], [
	AX_CHECK_COMPILE_FLAG([-std=gnu17], [PREFORK_CFLAGS="-std=gnu17"], [PREFORK_CFLAGS=""])
	PREFORK_LDFLAGS=""
	AC_SUBST([PREFORK_CFLAGS])
	AC_SUBST([PREFORK_LDFLAGS])
])

# PREFORK_SANITIZERS: for our own programs, not for the small ones that only drive the tests.
# PREFORK_WARNINGS: every warning that has found a mistake, in gcc and clang.
AC_DEFUN([PREFORK_WARNINGS], [
	AX_APPEND_COMPILE_FLAGS([-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
		-Wconversion -Wsign-conversion -Wcast-qual -Wpointer-arith -Wwrite-strings -Wformat=2 -Wundef -Wvla \
		-Wimplicit-fallthrough -Wnull-dereference], [PREFORK_CFLAGS], [-Werror])
	AS_IF([test "$enable_werror" = yes], [AS_VAR_APPEND([PREFORK_CFLAGS], [" -Werror"])])
])

AC_DEFUN([PREFORK_HARDENING], [
	AX_APPEND_COMPILE_FLAGS([-fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE],
		[PREFORK_CFLAGS], [-Werror])
	# _FORTIFY_SOURCE needs optimisation.
	AS_CASE([" $CFLAGS "], [*" -O0 "*], [], [*" -O"*], [AS_VAR_APPEND([PREFORK_CFLAGS], [" -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])])
	AX_APPEND_LINK_FLAGS([-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack], [PREFORK_LDFLAGS])
])

AC_DEFUN([PREFORK_SANITIZERS], [
	SANITIZERS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
])

# PREFORK_FUZZING: everything is instrumented; libFuzzer itself, which has a main, is linked into the fuzz targets alone.
AC_DEFUN([PREFORK_FUZZING], [
	AX_CHECK_LINK_FLAG([-fsanitize=fuzzer], [],
		[AC_MSG_ERROR([--enable-fuzzing needs clang and libFuzzer; try CC=clang])], [],
		[AC_LANG_SOURCE([int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size);
			int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size) { return !data && size; }])])
	SANITIZERS="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
	LIBFUZZER="-fsanitize=fuzzer"
])
