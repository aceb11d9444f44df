# Where the checkout lies, for tests that read its files: one object of its own, so that everything
# else compiles to the same bytes, and is found by the compiler cache, in every checkout.
if(INFE_TESTS)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/source_dir.cc @ONLY CONTENT
       "#include \"base/source_dir.h\"\n\nnamespace infe {\nconst char* const kSourceDir = \"@PROJECT_SOURCE_DIR@\";\n}\n")
  add_library(infe_source_dir STATIC ${CMAKE_BINARY_DIR}/source_dir.cc)
  target_include_directories(infe_source_dir PRIVATE ${PROJECT_SOURCE_DIR}/src)
endif()

# The layer table, src/layers.txt: INFE_LAYER_<folder> is what the folder links of the others.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/layers.txt)
file(STRINGS ${PROJECT_SOURCE_DIR}/src/layers.txt rows REGEX "^[a-z_]+:")
foreach(row ${rows})
  string(REGEX MATCH "^([a-z_]+):(.*)$" row "${row}")
  set(folder ${CMAKE_MATCH_1})
  separate_arguments(INFE_LAYER_${folder} UNIX_COMMAND "${CMAKE_MATCH_2}")
  if(NOT folder STREQUAL base)
    list(APPEND INFE_LAYER_${folder} base)
  endif()
endforeach()

# infe_module(<folder> [LIBRARIES <third-party>]): one library per folder of src/. A folder links only
# what its row of the layer table allows, so an upward call fails to link; tools/tidy checks the
# #include lines against the same table.

set(INFE_WARNINGS -Wall -Wextra -Werror)

# What a light build compiles for little: folders whose whole share of a request is microseconds. All
# that touches tokens, templates, grammars and numbers is compiled as ever.
set(INFE_LIGHT_FOLDERS api cli server store upstream)
# clang, which builds the libFuzzer targets, does not know every warning of g++ that is silenced, and
# looks into what g++'s own std::stable_sort calls.
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  list(APPEND INFE_WARNINGS -Wno-unknown-warning-option -Wno-deprecated-declarations)
endif()
# Contraction off: a multiply-add is fused only where an intrinsic says so, or the same sums would
# round differently from one build to the next (docs/batch-invariance.md).
add_compile_options(-ffp-contract=off)
# g++ 12 destroys the captures of a lambda inside a co_await expression twice: connections are
# callback state machines, and a coroutine is a compile error.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-coroutines>)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
if(INFE_LIGHT_BUILD)
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
  set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
endif()
if(INFE_SANITIZE)
  # Instrumented, g++ 12 no longer sees that the lanes of an unrolled loop are all set.
  list(APPEND INFE_WARNINGS -Wno-maybe-uninitialized)
  add_compile_options(-fsanitize=${INFE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${INFE_SANITIZE})
endif()
if(INFE_LIBFUZZER)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# What each ISA folder of src/kernels may use. Only files under that folder get these flags.
set(INFE_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi -mbmi2 -O3)
set(INFE_ISA_FLAGS_avx512 -mavx2 -mfma -mf16c -mbmi -mbmi2 -mavx512f -mavx512bw -mavx512vl
    -mavx512dq -mavx512vnni -mprefer-vector-width=512 -O3)

function(infe_module name)
  cmake_parse_arguments(ARG "" "" "LIBRARIES" ${ARGN})
  if(NOT DEFINED INFE_LAYER_${name})
    message(FATAL_ERROR "src/layers.txt has no row for ${name}")
  endif()
  set(below ${INFE_LAYER_${name}})
  set(dir ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${dir}/*.cc)
  set(sources ${all})
  list(FILTER sources EXCLUDE REGEX "_(test|bench|fuzz)\\.cc$|/(main|testing)\\.cc$")
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(fuzzers ${all})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  if(NOT sources)
    add_library(infe_${name} INTERFACE)
    set(scope INTERFACE)
  else()
    add_library(infe_${name} STATIC ${sources})
    set(scope PUBLIC)
    target_compile_options(infe_${name} PRIVATE ${INFE_WARNINGS})
  endif()
  if(INFE_LIGHT_BUILD AND sources AND name IN_LIST INFE_LIGHT_FOLDERS)
    target_compile_options(infe_${name} PRIVATE -O1)
  endif()
  if(INFE_JOIN_SOURCES AND sources)
    infe_join_sources(infe_${name} ${dir} "${sources}")
  endif()
  target_include_directories(infe_${name} ${scope} ${PROJECT_SOURCE_DIR}/src)
  foreach(dep ${below})
    target_link_libraries(infe_${name} ${scope} infe_${dep})
  endforeach()
  target_link_libraries(infe_${name} ${scope} ${ARG_LIBRARIES})
  foreach(isa avx2 avx512)
    set(isa_sources ${sources})
    list(FILTER isa_sources INCLUDE REGEX "/kernels/${isa}/")
    if(isa_sources)
      set(isa_flags ${INFE_ISA_FLAGS_${isa}})
      if(INFE_SANITIZE AND NOT INFE_SANITIZE_KERNELS)
        list(APPEND isa_flags -fno-sanitize=${INFE_SANITIZE})
      endif()
      set_source_files_properties(${isa_sources} PROPERTIES COMPILE_OPTIONS "${isa_flags}")
    endif()
  endforeach()
  # What tests of this folder, and of those above it, share: a library that only tests link.
  if(INFE_TESTS AND EXISTS ${dir}/testing.cc)
    add_library(infe_${name}_testing STATIC ${dir}/testing.cc)
    target_compile_options(infe_${name}_testing PRIVATE ${INFE_WARNINGS} -O1)
    target_link_libraries(infe_${name}_testing PUBLIC infe_${name} GTest::gtest)
  endif()
  if(INFE_TESTS AND tests)
    add_executable(${name}_test ${tests})
    # -O1: tests are compiled far more often than they are run.
    target_compile_options(${name}_test PRIVATE ${INFE_WARNINGS} -O1)
    target_link_libraries(${name}_test PRIVATE infe_${name} infe_source_dir GTest::gtest GTest::gtest_main)
    foreach(dep ${name} ${below})
      if(TARGET infe_${dep}_testing)
        target_link_libraries(${name}_test PRIVATE infe_${dep}_testing)
      endif()
    endforeach()
    # Seconds: long enough for the slowest test on a busy machine; a sanitizer makes it ten times that.
    set(timeout 300)
    if(INFE_SANITIZE)
      set(timeout 3000)
    endif()
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST
                         PROPERTIES LABELS unit TIMEOUT ${timeout})
  endif()
  if(INFE_TESTS)
    foreach(file ${fuzzers})
      get_filename_component(target ${file} NAME_WE)
      infe_fuzzer(${target} ${file} infe_${name})
    endforeach()
  endif()
endfunction()

# Has sources compiled several at a time, as tools/join_sources puts them together. Those with compiler
# flags of their own stay alone.
function(infe_join_sources target dir sources)
  list(FILTER sources EXCLUDE REGEX "/kernels/avx")
  execute_process(COMMAND ${PROJECT_SOURCE_DIR}/tools/join_sources ${dir} ${sources}
                  OUTPUT_VARIABLE groups OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE ";" "|" groups "${groups}")
  string(REPLACE "\n" ";" groups "${groups}")
  set(number 0)
  foreach(group ${groups})
    string(REPLACE "|" ";" group "${group}")
    set_source_files_properties(${group} PROPERTIES UNITY_GROUP ${number})
    math(EXPR number "${number} + 1")
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # Said of types in what the compiler takes for a header.
  target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
endfunction()

# A fuzz target: a *_fuzz.cc with LLVMFuzzerTestOneInput. In ordinary builds a driver of ours feeds it
# a bounded, seeded set of mutations of tests/fuzz/<target>/ and runs as a test; the preset `fuzz`
# links libFuzzer instead.
function(infe_fuzzer target file library)
  if(INFE_LIBFUZZER)
    add_executable(${target} ${file})
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${target} ${file} ${PROJECT_SOURCE_DIR}/tests/fuzz/driver.cc)
    add_test(NAME fuzz.${target} COMMAND ${target} ${PROJECT_SOURCE_DIR}/tests/fuzz/${target})
    set_tests_properties(fuzz.${target} PROPERTIES LABELS unit TIMEOUT 600)
  endif()
  target_link_libraries(${target} PRIVATE ${library})
endfunction()
