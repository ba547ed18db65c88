// The source of the sample binaries beside it, which make.sh builds. It has one symbol of every kind, and a USDT note of every form.

struct bits { unsigned a : 3; unsigned b : 7; long long c : 40; };
enum color { RED = 1, BLUE = -3 };
typedef unsigned long size;
struct node {
	struct node *next;
	struct bits bits;
	enum color color;
	char name[16];
	int grid[2][3];
	union { int i; float f; };
	int (*call)(int);
	const volatile void *opaque;
};

int exported_data = 7;
static volatile int sink;

static inline __attribute__((always_inline)) int inlined(int x) { return x * 3 + sink; }

__attribute__((noinline)) long walk(const struct node *node, unsigned short k, double d, enum color c, ...)
{
	return node->bits.b + k + (long)d + c + inlined(k);
}

static __attribute__((noinline)) int hidden(struct node *n, size y)
{
	sink += (int)y;
	return n->color;
}

int exported(struct node *n) { return hidden(n, 5) + inlined(sink); }
int same_place(struct node *n) __attribute__((alias("exported")));
__attribute__((weak)) void weak_function(void) { sink++; }

// Two versions of one name.
__asm__(".symver copy_old, copy@SAMPLE_1\n.symver copy_new, copy@@SAMPLE_2");
int copy_old(int x) { sink = x; return 1; }
int copy_new(int x) { sink = x; return 2; }

static int fast(void) { return 1; }
static int (*resolve_chosen(void))(void) { return fast; }
int chosen(void) __attribute__((ifunc("resolve_chosen")));

// What compilers of C++ and Rust make of ns::over(int), ns::over(char const*) const of a class, a template, and functions of Rust in both its ways.
int over_int(int x) __asm__("_ZN2ns4overEi");
int over_int(int x) { return x; }
int over_text(const char *x) __asm__("_ZNK2ns3Box4overEPKc");
int over_text(const char *x) { return *x; }
int template_int(int x) __asm__("_ZNSt6vectorIiSaIiEE9push_backERKi");
int template_int(int x) { return x + 1; }
int rust_old(int x) __asm__("_ZN5crate6module8function17h0123456789abcdefE");
int rust_old(int x) { return x + 2; }
int rust_new(int x) __asm__("_RNvNtCs1234_7mycrate3foo3bar");
int rust_new(int x) { return x + 3; }

// Entry points of assembler: without a type, without a size, and a label that is neither.
__asm__(".text\n"
	".globl no_type\nno_type: nop\n"
	".globl no_size\n.type no_size, @function\nno_size: nop\nlocal_label: nop\n");

unsigned short probe_semaphore __attribute__((section(".probes"))) = 0;
int global_counter = 3;
int global_table[8];

#define BASE \
	".ifndef _.stapsdt.base\n" \
	".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
	".weak _.stapsdt.base\n.hidden _.stapsdt.base\n_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n.popsection\n.endif\n"
#define PROBE(name, semaphore, args) \
	__asm__ volatile("990: nop\n.pushsection .note.stapsdt,\"?\",\"note\"\n.balign 4\n.4byte 992f-991f, 994f-993f, 3\n" \
			 "991: .asciz \"stapsdt\"\n992: .balign 4\n993: .8byte 990b\n.8byte _.stapsdt.base\n.8byte " semaphore "\n" \
			 ".asciz \"sample\"\n.asciz \"" name "\"\n.asciz \"" args "\"\n994: .balign 4\n.popsection\n" BASE)

void probes(void)
{
	PROBE("none", "0", "");
	PROBE("guarded", "probe_semaphore", "-4@%edi 8@%rsi");
	PROBE("twice", "0", "1@%al");
	PROBE("twice", "0", "-1@$-5");
	PROBE("registers", "0", "1@%dil -1@%ah 2@%r10w -4@%r14d 8@%rip 8@%rsp");
	PROBE("memory", "0", "-4@-60(%rbp) 8@(%rax) 8@152(%rdi) 8@8(%rax,%rbx,8) 4@(,%rcx,4)");
	PROBE("globals", "0", "4@global_counter(%rip) -4@global_table+8(%rip) -4@8+global_table(%rip) 8@absent(%rip) 8@%fs:-8");
}
