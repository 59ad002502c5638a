# SPDX-License-Identifier: GPL-2.0
#
# The face of the project: `make help`. How the module itself is built is in Kbuild
# and rust/Kbuild; everything that needs more than a shell is in scripts/.

KVER ?= $(shell uname -r)
ARCH ?= x86_64
SHELL := /bin/bash
MMLENS_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mmlens
export MMLENS_CACHE

ko := rust/mmlens.ko
tree = scripts/kernel-tree $(if $(KDIR),--kdir '$(KDIR)',--kver '$(KVER)') --print-make-args
kbuild = @args=$$($(tree)) && $(MAKE) --no-print-directory $$args M='$(CURDIR)$(1)'
udev_rule := /etc/udev/rules.d/99-mmlens.rules
tool := tools/target/release/mmlens
prefix := /usr/local
# The folder of the command for guests.
guest_tools := scripts/root -- env PYTHONPATH=scripts python3 -m guest.tools

.PHONY: modules samples tools load unload install install-tool uninstall clean rust-analyzer
.PHONY: demo shell bench test test-full soak mutants lint clean-cache help

modules:
	$(kbuild) modules
	@echo "  READY   $(ko)"

# Programs for this machine, and a second module: see the comments on top of each.
samples:
	$(MAKE) --no-print-directory -C samples
	$(call kbuild,/samples/rust_vm_minimal) modules
	@echo "  READY   samples/rust_vm_minimal/vm_minimal.ko"

# The command mmlens, with cargo. It takes the crates from wherever cargo does.
tools:
	cd tools && CARGO_TARGET_DIR=target cargo build --release --package mmlens
	@echo "  READY   $(tool)"

load: modules
	insmod $(ko)

unload:
	rmmod mmlens

install: modules
	$(kbuild) modules_install
	depmod $(KVER)
	install -D -m 0644 scripts/99-mmlens.rules $(udev_rule)
	@[ ! -x $(tool) ] || $(MAKE) --no-print-directory install-tool

# What `make tools` built, if it did.
install-tool:
	install -D -m 0755 $(tool) $(prefix)/bin/mmlens
	install -d $(prefix)/share/bash-completion/completions $(prefix)/share/man/man1
	$(tool) completions bash > $(prefix)/share/bash-completion/completions/mmlens
	$(tool) man $(prefix)/share/man/man1 > /dev/null

uninstall:
	find /lib/modules/$(KVER)/updates -name 'mmlens.ko*' -delete
	depmod $(KVER)
	rm -f $(udev_rule) $(prefix)/bin/mmlens $(prefix)/share/bash-completion/completions/mmlens
	rm -f $(prefix)/share/man/man1/mmlens{,-*}.1

# Without a kernel tree: it may be gone, and cleaning must work all the same.
clean:
	find rust samples -type f \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' \
		-o -name '*.cmd' -o -name '.*.d' -o -name '*_generated.rs' -o -name modules.order \) -delete
	rm -f {.,samples/rust_vm_minimal}/{.*.cmd,.module-common.o,modules.order,Module.symvers} rust-project.json
	rm -rf tools/target
	$(MAKE) --no-print-directory -C samples clean

rust-analyzer:
	$(kbuild) rust-analyzer

# These run in a toolchain root that they make: they need root, and nothing else.
demo:
	@tools=$$($(guest_tools) $(ARCH)) && \
		scripts/vm --arch $(ARCH) --copy scripts/demo:/mmlens/demo --copy $$tools/mmlens:/mmlens/mmlens -- /mmlens/demo

shell:
	@tools=$$($(guest_tools) $(ARCH)) && scripts/vm --arch $(ARCH) --copy $$tools/mmlens:/usr/bin/mmlens

# BENCH_QUICK=1: in two minutes; ICOUNT=1: only instructions, no time; OUTPUT=folder: where the CSV
# and the plots go.
bench:
	@scripts/bench --arch $(ARCH) $(if $(BENCH_QUICK),--quick) $(if $(ICOUNT),--icount) \
		$(if $(OUTPUT),--output '$(OUTPUT)')

test:
	@scripts/test

test-full:
	@scripts/test --full

soak:
	@scripts/test --soak $(or $(MINUTES),30)

mutants:
	@scripts/mutants

lint:
	@scripts/lint

# What is mounted in there is somebody's own, and rm would go into it.
clean-cache:
	@! grep -F ' $(abspath $(MMLENS_CACHE))/' /proc/self/mountinfo || \
		{ echo 'mmlens: something is mounted in $(MMLENS_CACHE) (see above); try: umount it' >&2; exit 1; }
	rm -rf --one-file-system -- '$(MMLENS_CACHE)'

help:
	@echo 'On this machine, with its own compilers:'
	@echo '  make [modules]      build $(ko) for the running kernel'
	@echo '                      KVER=<release> or KDIR=<tree>: for another; CLIPPY=1: lint'
	@echo '  make samples        build the programs and the module in samples/'
	@echo '  make tools          build the command $(tool), with cargo'
	@echo '  make load, unload   insert or remove the module'
	@echo '  make install        install it, with a udev rule, and the command if it was built'
	@echo '                      (uninstall takes all of it away)'
	@echo '  make rust-analyzer  write rust-project.json for an editor'
	@echo '  make clean          remove what was built here'
	@echo
	@echo 'In an emulated machine with a stock Debian kernel (as root, needs nothing else):'
	@echo '  make demo           see it work;            ARCH=arm64: on arm64'
	@echo '  make shell          try it by hand;         ARCH=arm64: on arm64'
	@echo '  make bench          measure it against its peers; BENCH_QUICK=1: in two minutes'
	@echo '  make test           all tests, on all kernels'
	@echo '  make test-full      the same on more kernels and machines; takes some hours'
	@echo '  make mutants        put mistakes into the module, and see that the tests notice'
	@echo '  make soak           the races only, for MINUTES=30 or longer'
	@echo '  make lint           style and the rules of the design'
	@echo '  scripts/vm --help   any command, on any kernel'
	@echo
	@echo 'What these make lives in $(MMLENS_CACHE); make clean-cache removes it.'
