package resolve

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"probetape/record/spec"
	"probetape/schemas"
	"probetape/schemas/expr"
)

func (f *finder) usdts(p *spec.Probe) ([]target, *missing) {
	binaries, m := f.binaries(p)
	if m != nil {
		return nil, m
	}
	var found []target
	var first *missing
	for i := range binaries {
		targets, m := f.usdtsOf(p, &binaries[i])
		if m != nil && first == nil {
			first = m
		}
		found = append(found, targets...)
	}
	if len(found) == 0 {
		return nil, first
	}
	return found, nil
}

// providerMatches reports whether a provider is meant; without one in the probe each is.
func providerMatches(p *spec.Probe, provider string) bool {
	return !p.Group.Given() || matchGlob(p.Group.Text, provider)
}

func (f *finder) usdtsOf(p *spec.Probe, b *Binary) ([]target, *missing) {
	all, err := f.host.USDT(b.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, wrong(p.Path, accessHints(err), "reading the USDT probes of %s: %v", b.Path, err)
	}
	if len(all) == 0 {
		return nil, absent(p.Path, []string{
			"they are compiled in (sys/sdt.h), often by an option such as --enable-dtrace or --with-dtrace; readelf -n shows them",
			fmt.Sprintf("functions can be probed: uprobe:%s:*", p.Path.Text),
		}, "%s has no USDT probes", b.Path)
	}
	var found []target
	for _, u := range all {
		if providerMatches(p, u.Provider) && matchGlob(p.Name.Text, u.Name) {
			found = append(found, f.usdtTarget(p, b, u))
		}
	}
	if len(found) == 0 {
		return nil, noUSDT(p, b, all)
	}
	return found, nil
}

func noUSDT(p *spec.Probe, b *Binary, all []USDT) *missing {
	var providers, names, elsewhere []string
	for _, u := range all {
		providers = append(providers, u.Provider)
		if providerMatches(p, u.Provider) {
			names = append(names, u.Name)
		} else if matchGlob(p.Name.Text, u.Name) {
			elsewhere = append(elsewhere, u.Provider+":"+u.Name)
		}
	}
	for _, l := range []*[]string{&providers, &names, &elsewhere} {
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	if len(names) == 0 {
		hints := expr.DidYouMean(elsewhere[:min(len(elsewhere), maxMeant)])
		if len(hints) == 0 {
			hints = expr.Meant(p.Group.Text, providers)
		}
		return absent(p.Group, append(hints, "providers: "+list(providers)), "%s has no USDT provider %q", b.Path, p.Group.Text)
	}
	hints := expr.DidYouMean(elsewhere[:min(len(elsewhere), maxMeant)])
	if len(hints) == 0 {
		hints = expr.Meant(p.Name.Text, names)
	}
	if len(hints) == 0 {
		hints = []string{"probes: " + list(names)}
	}
	what := "USDT probe"
	if p.Group.Given() {
		what += " of provider " + p.Group.Text
	}
	return absent(p.Name, hints, "%s has no %s called %q", b.Path, what, p.Name.Text)
}

func (f *finder) usdtTarget(p *spec.Probe, b *Binary, u USDT) target {
	operands := parseOperands(u.Args)
	site := Site{Site: schemas.Site{
		Kind: p.Kind, Name: u.Name, Category: u.Provider, Module: b.Path, BuildID: b.BuildID, Address: u.Offset,
	}, ArgCount: len(operands), RefCtrOffset: u.Semaphore}
	e := &env{
		kind: p.Kind, what: fmt.Sprintf("USDT probe %s:%s of %s", u.Provider, u.Name, path.Base(b.Path)),
		probe: fmt.Sprintf("usdt:%s:%s:%s", b.Path, u.Provider, u.Name), fn: u.Name,
		space: spaceUser, types: f.lookupIn(""), operands: operands,
		noArgs: refuse("the arguments of a USDT probe have numbers, and no names", usdtNumbers(len(operands))),
		noRet:  refuse("a USDT probe has no return value"),
	}
	return target{site: site, probe: p, glob: isGlob(p.Name.Text) || isGlob(p.Group.Text), names: func() *env { return e }}
}

func usdtNumbers(n int) string {
	switch n {
	case 0:
		return "this one has no arguments"
	case 1:
		return "write arg0"
	}
	return fmt.Sprintf("write arg0 to arg%d", n-1)
}
