package interop

import "runtime/debug"

// ModuleVersion is the version of a module that this program was built with.
func ModuleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == path {
			return module.Version
		}
	}
	return "?"
}
