# Every header compiles alone. x.h of an x.cc does because x.cc includes it first (tools/tidy); the
# others are compiled here, each in a file of its own: `ninja lone_headers`, part of `make lint`.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/src/*.h)
# Left out: what needs the options of an ISA's folder, or, for the emulation, an ISA's absence.
list(FILTER headers EXCLUDE REGEX "^kernels/(avx2|avx512)/")
set(alone)
foreach(header ${headers})
  string(REGEX REPLACE "\\.h$" ".cc" own ${header})
  if(EXISTS ${PROJECT_SOURCE_DIR}/src/${own})
    continue()
  endif()
  set(stub ${CMAKE_BINARY_DIR}/lone_headers/${own})
  file(CONFIGURE OUTPUT ${stub} CONTENT "#include \"@header@\"\n" @ONLY)
  list(APPEND alone ${stub})
endforeach()
add_library(lone_headers OBJECT EXCLUDE_FROM_ALL ${alone})
# Nothing is made of them: only whether they compile counts.
set_target_properties(lone_headers PROPERTIES COMPILE_OPTIONS "${INFE_WARNINGS};-O0;-g0")
target_link_libraries(lone_headers PRIVATE infe_cli GTest::gtest)
