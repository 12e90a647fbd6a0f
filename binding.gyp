# First way to build the addon (node-gyp). Sources and flags come from native/build.json, which
# CMakeLists.txt and scripts/build-native.mjs read as well.
{
  'targets': [
    {
      'target_name': 'millrace',
      'sources': ['<!@(node -p "require(\'./native/build.json\').sources.join(\' \')")'],
      'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': ['<!@(node -p "require(\'./native/build.json\').defines.join(\' \')")'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['<!@(node -p "require(\'./native/build.json\').cflags.join(\' \')")'],
      'ldflags': ['<!@(node -p "require(\'./native/build.json\').ldflags.join(\' \')")'],
    },
  ],
}
