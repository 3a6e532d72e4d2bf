# sparsemark_warnings(target): the warnings every C target is held to.
function(sparsemark_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wshadow -Wconversion
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wvla -Wmissing-prototypes>
    $<$<BOOL:${SPARSEMARK_WERROR}>:-Werror>)
endfunction()
